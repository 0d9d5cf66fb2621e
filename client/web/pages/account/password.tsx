import { Anchor, Button, Group, Stack, Text } from '@mantine/core'
import { useMutation, useQuery } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { type Outputs, queryClient, reason, trpc } from '../../api.ts'
import { useEntrance } from '../../parts/entrance.tsx'
import { Failure, wordsFor } from '../../parts/failures.tsx'
import { notifyDone } from '../../parts/notify.ts'
import { KnownPassword, NewPassword } from '../../parts/password-field.tsx'
import { Section } from '../../parts/section.tsx'

type User = NonNullable<Outputs['auth']['me']['user']>

export function PasswordSection({ user }: { user: User }) {
  const { data } = useQuery(trpc.users.get.queryOptions({ userId: user.id }))
  return (
    <Section title="Password">
      {data?.access?.hasPassword === false ? <NoPassword user={user} /> : <ChangePassword user={user} />}
    </Section>
  )
}

function ChangePassword({ user }: { user: User }) {
  const options = useEntrance()
  const [current, setCurrent] = useState('')
  const [next, setNext] = useState('')
  const change = useMutation(
    trpc.auth.changePassword.mutationOptions({
      onSuccess: () => {
        setCurrent('')
        setNext('')
        void queryClient.invalidateQueries(trpc.auth.sessions.pathFilter())
        notifyDone('Your password is changed. Your other sessions have ended.')
      }
    })
  )
  const refusal = reason(change.error)
  const submit = (event: FormEvent) => {
    event.preventDefault()
    change.mutate({ currentPassword: current, newPassword: next })
  }
  return (
    <form onSubmit={submit}>
      <Stack gap="md">
        {change.error && refusal !== 'weakPassword' && refusal !== 'wrongPassword' && <Failure error={change.error} />}
        <input type="hidden" autoComplete="username" value={user.email ?? user.userName} readOnly />
        <KnownPassword
          label="Current password"
          value={current}
          onChange={setCurrent}
          error={refusal === 'wrongPassword' ? 'That is not your current password.' : undefined}
        />
        <NewPassword
          label="New password"
          value={next}
          onChange={setNext}
          words={[user.email, user.displayName, user.givenName, user.familyName, options?.name]}
          minLength={options?.passwordMinLength ?? 8}
          error={refusal === 'weakPassword' ? wordsFor(change.error) : undefined}
        />
        <Group justify="flex-end">
          <Button type="submit" variant="default" loading={change.isPending}>
            Change password
          </Button>
        </Group>
      </Stack>
    </form>
  )
}

/** Users of Google sign-in have no password yet: a link by mail proves that it is they who choose one. */
function NoPassword({ user }: { user: User }) {
  const request = useMutation(trpc.auth.requestPasswordReset.mutationOptions())
  if (!user.email) return <Text size="sm">You sign in without one.</Text>
  const email = user.email
  return (
    <Stack gap="sm" align="flex-start">
      <Text size="sm">You sign in without a password.</Text>
      {request.error && <Failure error={request.error} />}
      {request.isSuccess ? (
        <Text size="sm" role="status">
          A link to choose one is on its way to {email}.
        </Text>
      ) : (
        <Anchor component="button" type="button" size="sm" onClick={() => request.mutate({ email })}>
          Send me a link to choose one
        </Anchor>
      )}
    </Stack>
  )
}
