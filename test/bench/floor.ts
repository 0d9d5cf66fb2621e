// The floor: a bare Fastify server whose routes run one prepared statement each and send the result. It has no SCIM, no
// authentication and no rules.
import { initTRPC } from '@trpc/server'
import { fastifyTRPCPlugin } from '@trpc/server/adapters/fastify'
import Fastify from 'fastify'
import pg from 'pg'
import { v7 as uuidv7 } from 'uuid'

const pool = new pg.Pool({ connectionString: process.env['DATABASE_URL'], max: 16 })
const app = Fastify({ logger: false })
const JSON_TYPE = 'application/json; charset=utf-8'

const run = (name: string, text: string, values: unknown[]) => pool.query({ name, text, values })
const list = (rows: { doc: string }[]) => `{"Resources":[${rows.map(({ doc }) => doc).join(',')}]}`

const BY_USER_NAME = 'select doc from floor.users where tenant_id = $1 and user_name = $2'
const BEHIND = 'select doc from floor.users where tenant_id = $1 and id > $2 order by id limit 100'
const BY_EMAIL = `
  select doc from floor.users where tenant_id = $1 and id = any(array(
    select user_id from floor.emails where tenant_id = $1 and value_key >= $2 and value_key < $3)) order by id`
const BY_FAMILY_NAME = `
  select u.doc from floor.names n join floor.users u on u.tenant_id = n.tenant_id and u.id = n.user_id
  where n.tenant_id = $1 and n.family_name_key = $2 and n.is_active order by u.id`

interface Query {
  userName?: string
  after?: string
  emailPrefix?: string
  familyName?: string
}

function search(tenant: string, { userName, after, emailPrefix, familyName }: Query) {
  if (userName !== undefined) return run('by user name', BY_USER_NAME, [tenant, userName])
  if (after !== undefined) return run('behind', BEHIND, [tenant, after])
  if (emailPrefix !== undefined) return run('by email', BY_EMAIL, [tenant, emailPrefix, `${emailPrefix}\u{10ffff}`])
  return run('by family name', BY_FAMILY_NAME, [tenant, familyName])
}

app.get<{ Params: { tenant: string; id: string } }>('/:tenant/users/:id', async ({ params }, reply) => {
  const text = 'select doc from floor.users where tenant_id = $1 and id = $2'
  const { rows } = await run('by id', text, [params.tenant, params.id])
  return reply.type(JSON_TYPE).send(rows[0].doc)
})

app.get<{ Params: { tenant: string }; Querystring: Query }>('/:tenant/users', async ({ params, query }, reply) => {
  const { rows } = await search(params.tenant, query)
  return reply.type(JSON_TYPE).send(list(rows))
})

app.post<{ Params: { tenant: string }; Body: { userName: string } }>('/:tenant/users', async (request, reply) => {
  const text = 'insert into floor.users (tenant_id, id, user_name, doc) values ($1, $2, $3, $4) returning doc'
  const { userName } = request.body
  const values = [request.params.tenant, uuidv7(), userName, JSON.stringify(request.body)]
  const { rows } = await run('insert', text, values)
  return reply.code(201).type(JSON_TYPE).send(rows[0].doc)
})

const MEMBERS = `
  select '{"id":"' || $2::uuid || '","members":[' || string_agg('{"value":"' || u.id || '","$ref":"' || $3::text || u.id
    || '","display":' || to_json(u.display_name)::text || ',"type":"User"}', ',' order by m.user_id) || ']}' as doc
  from floor.members m join users u on u.tenant_id = m.tenant_id and u.id = m.user_id
  where m.tenant_id = $1 and m.group_id = $2`

app.get<{ Params: { tenant: string; id: string } }>('/:tenant/groups/:id', async ({ params }, reply) => {
  const { rows } = await run('members', MEMBERS, [
    params.tenant,
    params.id,
    `http://t${params.tenant}.localhost/Users/`
  ])
  return reply.type(JSON_TYPE).send(rows[0].doc)
})

const t = initTRPC.create()
const PEOPLE = `id, email, user_name as "userName", display_name as "displayName", given_name as "givenName",
  family_name as "familyName", role, state, locked, time_zone as "timeZone", locale, created_at as "createdAt",
  updated_at as "updatedAt", activated_at as "activatedAt", last_sign_in_at as "lastSignInAt"`

/** The bare procedure does not check its input. */
const unchecked = <T>(input: unknown) => input as T

const router = t.router({
  users: t.router({
    get: t.procedure.input(unchecked<{ tenantId: number; userId: string }>).query(async ({ input }) => {
      const text = `select ${PEOPLE} from users where tenant_id = $1 and id = $2`
      const { rows } = await run('person', text, [input.tenantId, input.userId])
      return { user: rows[0] }
    }),
    list: t.procedure.input(unchecked<{ tenantId: number }>).query(async ({ input }) => {
      const text = `select ${PEOPLE} from users where tenant_id = $1 order by shown_name_key, id limit 50`
      const { rows } = await run('people', text, [input.tenantId])
      return { items: rows }
    })
  })
})

await app.register(fastifyTRPCPlugin, { prefix: '/trpc', trpcOptions: { router } })
await app.listen({ host: '127.0.0.1', port: Number(process.env['PORT']) })
process.on('disconnect', () => process.exit(0))
process.send!('ready')
