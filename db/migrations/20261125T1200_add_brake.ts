// The brake against mass deprovisioning. Additive: the version before neither counts nor holds.
//
// - brakes: one row a connection, from its first deprovisioning on. base: the tenant's active users when they were last
//   counted (based_at, at most an hour ago); permits: how many people may be affected within an hour, which follows from
//   it. Times that end in _minute are whole minutes since 1970, so that the window slides in steps of a minute.
// - brake_slots: the permits, split so that parallel changes of a large tenant do not wait for each other's commit (by
//   pg_backend_pid(), as group_revisions is); a small one has a single slot. What a slot has given within the hour
//   (minutes: one element a minute, in a ring of 61, so that no hour anywhere is cut short) never exceeds its allowance,
//   and the allowances never exceed the permits: so the threshold holds, whichever slot gives.
// - brake_people: who was counted, and when, so that a person counts once within an hour.
// - held_changes: what was held, for administrators to release or reject. user_id for people, child_id for a group that
//   was to leave a group, group_id for what is about a group.
//
// No row refers to a user or a group: checking that would make a request that was held wait for one that is under way.
import { type Kysely, sql } from 'kysely'
import { isolateTenants } from '../isolation.ts'

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of [TABLES, MINUTES, TAKE, TAKE_EXACTLY, REQUIRE]) await sql.raw(statement).execute(db)
  await isolateTenants(db, ['brakes', 'brake_slots', 'brake_people', 'held_changes'])
}

const TABLES = `
  create table brakes (
    tenant_id int not null,
    connection_id uuid not null,
    base int not null,
    based_minute int not null,
    percent numeric not null,
    people int not null,
    permits int not null,
    slots smallint not null,
    -- an administrator has let everything through until then
    released_minute int,
    -- of the newest mass deprovisioning that was held
    episode_at timestamptz,
    episode_ended_at timestamptz,
    last_held_at timestamptz,
    has_held boolean not null default false,
    has_rejected boolean not null default false,
    constraint brakes_pkey primary key (tenant_id, connection_id),
    constraint brakes_connection_fkey foreign key (tenant_id, connection_id)
      references scim_connections on delete cascade
  );
  create table brake_slots (
    tenant_id int not null,
    connection_id uuid not null,
    slot smallint not null,
    allowance int not null default 0,
    given int not null default 0,
    last_minute int not null,
    minutes int[] not null default array_fill(0, array[61]),
    constraint brake_slots_pkey primary key (tenant_id, connection_id, slot),
    constraint brake_slots_brake_fkey foreign key (tenant_id, connection_id) references brakes on delete cascade
  ) with (fillfactor = 50);
  create table brake_people (
    tenant_id int not null,
    connection_id uuid not null,
    user_id uuid not null,
    minute int not null,
    constraint brake_people_pkey primary key (tenant_id, connection_id, user_id)
  );
  create table held_changes (
    tenant_id int not null,
    id uuid not null,
    connection_id uuid not null,
    kind text not null check (kind in ('deactivate', 'remove', 'leave', 'removeGroup')),
    user_id uuid,
    child_id uuid,
    group_id uuid,
    state text not null default 'held' check (state in ('held', 'rejected')),
    first_at timestamptz not null,
    last_at timestamptz not null,
    tries int not null default 1,
    constraint held_changes_pkey primary key (tenant_id, id),
    constraint held_changes_key unique nulls not distinct (tenant_id, connection_id, user_id, group_id, kind, child_id),
    constraint held_changes_connection_fkey foreign key (tenant_id, connection_id)
      references scim_connections on delete cascade
  );`

const MINUTES = `
  -- what the ring of a slot, last written at last_minute, holds of the hour that ends with at_minute
  create function brake_given(minutes int[], last_minute int, at_minute int) returns int
    language sql immutable parallel safe as $$
      select coalesce(sum(given), 0)::int from unnest(minutes) with ordinality as ring (given, place)
      where last_minute - mod(last_minute - (place::int - 1), 61) >= at_minute - 60
    $$;
  -- the ring as it is at at_minute, with so many more in that minute
  create function brake_minutes_with(minutes int[], last_minute int, at_minute int, added int) returns int[]
    language sql immutable parallel safe as $$
      select array_agg(
        case when last_minute - mod(last_minute - (place::int - 1), 61) >= at_minute - 60 then given else 0 end
          + case when place - 1 = mod(at_minute, 61) then added else 0 end
        order by place)
      from unnest(minutes) with ordinality as ring (given, place)
    $$;`

// Called as the last thing of a transaction that locks: what it takes, others wait for until the commit.
const TAKE = `
  -- Takes a permit for each of people that was not counted within the hour.
  -- direct: those whose own access or membership ends, of people, who may also lose it with a group (children).
  -- leaving: how many of them were active and are not any more, in this transaction.
  -- Returns 0, or the seconds after which there may be permits again, or -1 where an administrator has said no.
  -- Raises serialization_failure where the transaction must start again.
  create function take_brake_permits(of_tenant int, of_connection uuid, held_kind text, people uuid[], direct uuid[],
      children uuid[], from_group uuid, leaving int, now_minute int, of_percent numeric, of_people int)
    returns int language plpgsql as $$
  declare
    brake brakes;
    slot_row brake_slots;
    counted int;
    at_minute int;
    given_so_far int;
    mine int;
  begin
    select b.* into brake from brakes b where b.tenant_id = of_tenant and b.connection_id = of_connection;
    if brake.has_rejected and exists (
      select from held_changes h where h.tenant_id = of_tenant and h.connection_id = of_connection
        and h.state = 'rejected' and case held_kind
          when 'leave' then h.kind = 'leave' and h.group_id = from_group
            and (h.user_id = any(direct) or h.child_id = any(children))
          when 'removeGroup' then h.kind = 'removeGroup' and h.group_id = from_group
          else h.kind in ('deactivate', 'remove') and h.user_id = any(direct) end
    ) then
      return -1;
    end if;

    if coalesce(brake.released_minute < now_minute, true) then
      insert into brake_people as known (tenant_id, connection_id, user_id, minute)
      select of_tenant, of_connection, person, now_minute
      from (select distinct unnest(people) as person) as given order by person
      on conflict (tenant_id, connection_id, user_id) do update set minute = excluded.minute
        where known.minute < now_minute - 60;
      get diagnostics counted = row_count;
    else
      counted := 0;
    end if;

    if counted > 0 then
      if brake.percent = of_percent and brake.people = of_people and now_minute - brake.based_minute <= 60 then
        mine := mod(pg_backend_pid(), brake.slots);
        select s.* into slot_row from brake_slots s
          where s.tenant_id = of_tenant and s.connection_id = of_connection and s.slot = mine;
        -- within a minute the sum is at hand
        given_so_far := case when slot_row.last_minute = now_minute then slot_row.given
          else brake_given(slot_row.minutes, slot_row.last_minute, now_minute) end;
        if given_so_far + counted <= slot_row.allowance then
          select s.* into slot_row from brake_slots s
            where s.tenant_id = of_tenant and s.connection_id = of_connection and s.slot = mine for update;
          at_minute := greatest(now_minute, slot_row.last_minute);
          given_so_far := case when at_minute = slot_row.last_minute then slot_row.given
            else brake_given(slot_row.minutes, slot_row.last_minute, at_minute) end;
          -- somebody was faster: with the lock in hand nobody may wait for the others
          if given_so_far + counted > slot_row.allowance then
            raise exception 'the permits of a slot are used up' using errcode = 'serialization_failure';
          end if;
          if at_minute = slot_row.last_minute then
            slot_row.minutes[mod(at_minute, 61) + 1] := slot_row.minutes[mod(at_minute, 61) + 1] + counted;
          else
            slot_row.minutes := brake_minutes_with(slot_row.minutes, slot_row.last_minute, at_minute, counted);
          end if;
          update brake_slots s set last_minute = at_minute, given = given_so_far + counted, minutes = slot_row.minutes
            where s.tenant_id = of_tenant and s.connection_id = of_connection and s.slot = mine;
          counted := 0;
        end if;
      end if;
      if counted > 0 then
        given_so_far := take_brake_permits_exactly(of_tenant, of_connection, counted, leaving, now_minute, of_percent,
          of_people);
        if given_so_far > 0 then
          return given_so_far;
        end if;
      end if;
    end if;

    if brake.has_held then
      delete from held_changes h where h.tenant_id = of_tenant and h.connection_id = of_connection
        and h.state = 'held' and case held_kind
          when 'leave' then h.kind = 'leave' and h.group_id = from_group
            and (h.user_id = any(direct) or h.child_id = any(children))
          when 'removeGroup' then h.group_id = from_group or h.child_id = from_group
          when 'remove' then h.user_id = any(direct)
          else h.kind = 'deactivate' and h.user_id = any(direct) end;
    end if;
    return 0;
  end $$;`

const TAKE_EXACTLY = `
  -- The slow way, with every slot locked: counts the tenant where that was over an hour ago, adds up what all slots have
  -- given, and divides what is left anew. Returns 0, or the seconds until the oldest counted minute leaves the window.
  create function take_brake_permits_exactly(of_tenant int, of_connection uuid, counted int, leaving int,
      now_minute int, of_percent numeric, of_people int)
    returns int language plpgsql as $$
  declare
    brake brakes;
    given_so_far int;
    mine int;
    share int;
    wait_seconds int;
  begin
    select b.* into brake from brakes b where b.tenant_id = of_tenant and b.connection_id = of_connection;
    if brake.percent = of_percent and brake.people = of_people and now_minute - brake.based_minute <= 60 then
      -- what is committed is enough to say no: nobody is waited for
      select sum(brake_given(s.minutes, s.last_minute, now_minute)) into given_so_far from brake_slots s
        where s.tenant_id = of_tenant and s.connection_id = of_connection;
    end if;
    if given_so_far + counted > brake.permits then
      return brake_wait_seconds(of_tenant, of_connection, now_minute);
    end if;

    insert into brakes (tenant_id, connection_id, base, based_minute, percent, people, permits, slots)
      values (of_tenant, of_connection, 0, 0, 0, 0, 0, 1) on conflict do nothing;
    select b.* into brake from brakes b where b.tenant_id = of_tenant and b.connection_id = of_connection for update;
    if now_minute - brake.based_minute > 60 then
      brake.base := leaving + (select count(*) from users u where u.tenant_id = of_tenant and u.state = 'active');
      brake.based_minute := now_minute;
    end if;
    brake.permits := greatest(of_people, floor(brake.base * of_percent / 100)::int);
    brake.slots := case when brake.permits < 640 then 1 else 64 end;
    update brakes b set base = brake.base, based_minute = brake.based_minute, percent = of_percent, people = of_people,
        permits = brake.permits, slots = brake.slots
      where b.tenant_id = of_tenant and b.connection_id = of_connection
        and (b.base, b.based_minute, b.percent, b.people, b.permits, b.slots)
          is distinct from (brake.base, brake.based_minute, of_percent, of_people, brake.permits, brake.slots);
    insert into brake_slots (tenant_id, connection_id, slot, last_minute)
      select of_tenant, of_connection, slot, now_minute from generate_series(0, brake.slots - 1) as slot
      on conflict do nothing;
    perform from brake_slots s where s.tenant_id = of_tenant and s.connection_id = of_connection
      order by s.slot for update;
    select sum(brake_given(s.minutes, s.last_minute, greatest(now_minute, s.last_minute))) into given_so_far
      from brake_slots s where s.tenant_id = of_tenant and s.connection_id = of_connection;
    if given_so_far + counted > brake.permits then
      return brake_wait_seconds(of_tenant, of_connection, now_minute);
    end if;

    mine := mod(pg_backend_pid(), brake.slots);
    -- the last few stay undivided: everybody comes here for them, and nobody finds a slot emptied under their hands
    share := (brake.permits - given_so_far - counted) / brake.slots;
    update brake_slots s
      set last_minute = fresh.at_minute, given = fresh.given + fresh.added,
        minutes = brake_minutes_with(s.minutes, s.last_minute, fresh.at_minute, fresh.added),
        -- a slot beyond those in use keeps what it has given until that is over
        allowance = fresh.given + fresh.added + case when s.slot < brake.slots then share else 0 end
      from (
        select g.slot, greatest(now_minute, g.last_minute) as at_minute,
          brake_given(g.minutes, g.last_minute, greatest(now_minute, g.last_minute)) as given,
          case when g.slot = mine then counted else 0 end as added
        from brake_slots g where g.tenant_id = of_tenant and g.connection_id = of_connection
      ) as fresh
      where s.tenant_id = of_tenant and s.connection_id = of_connection and s.slot = fresh.slot;
    return 0;
  end $$;

  create function brake_wait_seconds(of_tenant int, of_connection uuid, now_minute int) returns int
    language sql stable as $$
      select 60 * greatest(1, coalesce(min(s.last_minute - mod(s.last_minute - (place::int - 1), 61)), now_minute) + 61
        - now_minute)
      from brake_slots s, unnest(s.minutes) with ordinality as ring (taken, place)
      where s.tenant_id = of_tenant and s.connection_id = of_connection and taken > 0
        and s.last_minute - mod(s.last_minute - (place::int - 1), 61) >= now_minute - 60
    $$;`

const REQUIRE = `
  -- For a statement that is a transaction of its own: fails, with the seconds as its detail, where permits are missing.
  create function require_brake_permits(of_tenant int, of_connection uuid, held_kind text, people uuid[],
      from_group uuid, now_minute int, of_percent numeric, of_people int)
    returns boolean language plpgsql as $$
  declare
    outcome int := take_brake_permits(of_tenant, of_connection, held_kind, people, people, '{}', from_group, 0,
      now_minute, of_percent, of_people);
  begin
    if outcome <> 0 then
      raise exception 'held by the brake' using errcode = 'MB429', detail = outcome::text;
    end if;
    return true;
  end $$;`
