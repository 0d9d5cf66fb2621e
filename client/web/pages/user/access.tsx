import { NativeSelect, Text } from '@mantine/core'
import { useMutation } from '@tanstack/react-query'
import { trpc } from '../../api.ts'
import { userChanged } from '../../lists.ts'
import { Failure } from '../../parts/failures.tsx'
import { TextLink } from '../../parts/link.tsx'
import { type Authority, ManagedNote, managedBy } from '../../parts/managed.tsx'
import { notifyDone } from '../../parts/notify.ts'
import { shownName } from '../../parts/person.tsx'
import { Facts, Section } from '../../parts/section.tsx'
import { isAbove, ROLE_DESCRIPTIONS, ROLE_LABELS, type Role, roleOptions } from '../../roles.ts'
import { isAdministrator, useMe } from '../../shell.tsx'
import type { Details } from '../user.tsx'

export function AccessSection({ details, isSelf }: { details: Details; isSelf: boolean }) {
  const me = useMe()
  const { user, access, roleSource, authority } = details
  const mayChangeRole = isAdministrator(me) && !isSelf && user.state !== 'removed'
  return (
    <Section title="Role and access">
      {mayChangeRole ? (
        <RoleSelect user={user} ownRole={roleSource?.ownRole} authority={authority.role} />
      ) : (
        <Text fw={550}>
          {ROLE_LABELS[user.role]} <ManagedNote authority={authority.role} />
        </Text>
      )}
      <Text size="sm" c="dimmed" mt={4}>
        {ROLE_DESCRIPTIONS[user.role]} {isSelf && isAdministrator(me) && 'Another administrator can change your role.'}
        {!isAdministrator(me) && 'Only administrators change roles and end access.'}
      </Text>
      {roleSource && roleSource.groups.length > 0 && <WhyRole user={user} roleSource={roleSource} />}
      {isAdministrator(me) && authority.state?.kind === 'connection' && (
        <Text size="sm" mt="xs">
          {authority.state.name} deactivates and reactivates them too: what you do here it may change again.
        </Text>
      )}
      {access && (
        <Facts
          facts={[
            ['Signs in with', waysIn(access, user.mustResetPassword)],
            ['Second factor', access.hasSecondFactor ? 'On' : 'None'],
            ['Sessions', isSelf ? <OwnSessions count={access.sessionCount} /> : access.sessionCount],
            ['API tokens', access.apiTokenCount]
          ]}
        />
      )}
    </Section>
  )
}

/** Which groups give which role, and the person's role without them. */
function WhyRole({ user, roleSource }: { user: Details['user']; roleSource: NonNullable<Details['roleSource']> }) {
  const { ownRole, groups } = roleSource
  const isOwn = ownRole === user.role
  return (
    <Text size="sm" mt="xs">
      {ROLE_LABELS[user.role]} {isOwn ? 'of their own' : 'by a group'}; without groups{' '}
      {ROLE_LABELS[ownRole].toLowerCase()}.{' '}
      {groups.map(({ id, displayName, role }, index) => (
        <span key={id}>
          {index > 0 && ', '}
          <TextLink to="/groups/$groupId" params={{ groupId: id }} size="sm" underline="always">
            {displayName}
          </TextLink>{' '}
          gives {ROLE_LABELS[role].toLowerCase()}
        </span>
      ))}
      .
    </Text>
  )
}

function waysIn(access: NonNullable<Details['access']>, mustResetPassword: boolean): string {
  if (mustResetPassword) return 'Nothing until a new password is chosen'
  const ways = [access.hasPassword && 'Password', access.hasGoogle && 'Google'].filter(Boolean)
  return ways.join(', ') || 'Nothing yet'
}

const OwnSessions = ({ count }: { count: number }) => (
  <>
    {count} ·{' '}
    <TextLink to="/account" size="sm">
      see them
    </TextLink>
  </>
)

/** Roles above a connection's highest role are given by administrators. */
const isOfConnection = (authority: Authority | undefined, role: Role): boolean =>
  authority?.kind === 'connection' && (!authority.highestRole || !isAbove(role, authority.highestRole))

interface RoleSelectProps {
  user: Details['user']
  ownRole?: Role
  authority: Authority | undefined
}

/** Shows the new role at once, and the old one again after a refusal. */
function RoleSelect({ user, ownRole = user.role, authority }: RoleSelectProps) {
  const me = useMe()
  const setRole = useMutation(
    trpc.users.setRole.mutationOptions({
      onSuccess: (answer) => {
        userChanged(answer.user)
        notifyDone(`${shownName(answer.user)} is ${ROLE_LABELS[answer.user.role].toLowerCase()} now.`)
      }
    })
  )
  const shown = setRole.isPending ? setRole.variables.role : ownRole
  const options = roleOptions(me.rolesYouMayGive).map((option) => ({
    ...option,
    disabled: option.value !== ownRole && isOfConnection(authority, option.value as Role)
  }))
  return (
    <>
      <NativeSelect
        label={ownRole === user.role ? 'Role' : 'Own role'}
        data={options}
        value={shown}
        disabled={setRole.isPending || options.every(({ value, disabled }) => disabled || value === ownRole)}
        description={managedBy(authority)}
        onChange={(event) => setRole.mutate({ userId: user.id, role: event.currentTarget.value as Role })}
        maw={260}
      />
      {setRole.error && <Failure error={setRole.error} />}
    </>
  )
}
