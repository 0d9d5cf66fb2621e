// The page behind a password reset's link: choose a new password, and be signed in with it.
import { Button, Stack } from '@mantine/core'
import { useMutation } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { type FormEvent, useState } from 'react'
import { queryClient, reason, trpc } from '../api.ts'
import { CodeField, wantsCode } from '../parts/code-field.tsx'
import { Entrance, useEntrance } from '../parts/entrance.tsx'
import { Failure, wordsFor } from '../parts/failures.tsx'
import { ButtonLink } from '../parts/link.tsx'
import { useLinkToken } from '../parts/link-token.ts'
import { notifyDone } from '../parts/notify.ts'
import { NewPassword } from '../parts/password-field.tsx'

const LINK_IS_DEAD = /^(reset|token|link)|notFound/

export default function Reset() {
  const token = useLinkToken()
  const options = useEntrance()
  const navigate = useNavigate()
  const [password, setPassword] = useState('')
  const [code, setCode] = useState('')
  const [isCodeWanted, setCodeWanted] = useState(false)
  const reset = useMutation(
    trpc.auth.resetPassword.mutationOptions({
      onError: (error) => setCodeWanted((wanted) => wanted || wantsCode(error)),
      onSuccess: async () => {
        queryClient.clear()
        await navigate({ to: '/users', replace: true })
        notifyDone('Your new password is set, and you are signed in.')
      }
    })
  )
  const refusal = reason(reset.error)
  if (!token || (refusal && LINK_IS_DEAD.test(refusal))) {
    return (
      <Entrance
        title="This link does not work any longer"
        description="It was used already, a newer one was sent, or it has expired. Ask for a new one: it comes in a minute."
      >
        <ButtonLink to="/forgot-password">Send me a new link</ButtonLink>
      </Entrance>
    )
  }
  const submit = (event: FormEvent) => {
    event.preventDefault()
    reset.mutate({ token, password, ...(isCodeWanted && { code }) })
  }
  const isWeak = refusal === 'weakPassword'
  return (
    <Entrance title="Choose a new password" description="You stay signed in here; every other session of yours ends.">
      <form onSubmit={submit}>
        <Stack gap="md">
          {reset.error && !isWeak && !wantsCode(reset.error) && <Failure error={reset.error} />}
          <NewPassword
            label="New password"
            value={password}
            onChange={setPassword}
            words={[options?.name]}
            minLength={options?.passwordMinLength ?? 8}
            error={isWeak ? wordsFor(reset.error) : undefined}
            autoFocus
          />
          {isCodeWanted && <CodeField value={code} onChange={setCode} refusal={reset.error} autoFocus />}
          <Button type="submit" loading={reset.isPending}>
            Set the password and sign in
          </Button>
        </Stack>
      </form>
    </Entrance>
  )
}
