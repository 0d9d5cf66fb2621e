// Requests a mail with a link to choose a new password. The answer is the same whether or not the address is known.
import { Alert, Button, Stack, TextInput } from '@mantine/core'
import { IconMailCheck } from '@tabler/icons-react'
import { useMutation } from '@tanstack/react-query'
import { getRouteApi } from '@tanstack/react-router'
import { type FormEvent, useState } from 'react'
import { trpc } from '../api.ts'
import { Entrance } from '../parts/entrance.tsx'
import { Failure } from '../parts/failures.tsx'
import { TextLink } from '../parts/link.tsx'

const route = getRouteApi('/forgot-password')

export default function ForgotPassword() {
  const search = route.useSearch()
  const [email, setEmail] = useState(search.email ?? '')
  const request = useMutation(trpc.auth.requestPasswordReset.mutationOptions())
  const submit = (event: FormEvent) => {
    event.preventDefault()
    request.mutate({ email: email.trim() })
  }
  if (request.isSuccess) {
    return (
      <Entrance title="Look into your mail">
        <Alert color="pine" variant="light" icon={<IconMailCheck size={20} />} role="status">
          If {email.trim()} belongs to somebody here, a link to choose a new password is on its way to it. It may take a
          minute; look into the spam folder, too.
        </Alert>
        <Button variant="default" onClick={() => request.reset()}>
          Use another address
        </Button>
        <BackToSignIn />
      </Entrance>
    )
  }
  return (
    <Entrance
      title="Choose a new password"
      description="We send a link to your address that lets you choose a new one."
    >
      <form onSubmit={submit}>
        <Stack gap="md">
          {request.error && <Failure error={request.error} />}
          <TextInput
            label="E-mail address"
            type="email"
            autoComplete="username"
            required
            withAsterisk={false}
            autoFocus
            value={email}
            onChange={(event) => setEmail(event.currentTarget.value)}
          />
          <Button type="submit" loading={request.isPending}>
            Send the link
          </Button>
          <BackToSignIn />
        </Stack>
      </form>
    </Entrance>
  )
}

const BackToSignIn = () => (
  <TextLink to="/sign-in" size="sm">
    Back to sign-in
  </TextLink>
)
