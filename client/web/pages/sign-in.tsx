// Sign-in with a password, or with Google where the organisation allows it.
import { Alert, Button, Divider, Stack, TextInput } from '@mantine/core'
import { useMutation } from '@tanstack/react-query'
import { getRouteApi, useRouter } from '@tanstack/react-router'
import { type FormEvent, useState } from 'react'
import { queryClient, reason, trpc } from '../api.ts'
import { CodeField, wantsCode } from '../parts/code-field.tsx'
import { Entrance, useEntrance } from '../parts/entrance.tsx'
import { Failure } from '../parts/failures.tsx'
import { GoogleButton } from '../parts/google-button.tsx'
import { TextLink } from '../parts/link.tsx'
import { KnownPassword } from '../parts/password-field.tsx'

const route = getRouteApi('/sign-in')

/** Why sign-in with Google returned here. */
const GOOGLE_REFUSALS: Record<string, string> = {
  googleDenied: 'Google did not sign you in. Try again, or use your password.',
  googleRefused: 'That sign-in took too long or was begun in another browser. Start again from here.',
  googleOff: 'Sign-in with Google is switched off here. Use your password.',
  unknownGoogleAccount: 'Nobody here has that Google account’s address. Use the account that you were invited with.',
  emailNotVerified: 'Google has not verified that account’s address. Verify it with Google, or use your password.',
  mustResetPassword: 'Choose a new password first: the link is in the mail that invited you back.',
  userLocked: 'You are locked out. Ask one of your administrators to unlock you.',
  userDeactivated: 'Your access has ended. Ask one of your administrators if you need it again.',
  invitationUsed: 'That invitation was used already. Sign in with the account that you made.',
  invitationExpired: 'That invitation has expired. Ask the person who invited you for a new one.',
  invitationRevoked: 'That invitation was taken back. Ask the person who invited you.',
  invitationResent: 'There is a newer invitation: open the link of the latest mail.',
  invitationInvalid: 'That invitation’s link is not complete. Open it again from the mail.',
  linkInvalid: 'That link was used already or has expired. Sign in with your password.'
}

export default function SignIn() {
  const search = route.useSearch()
  const options = useEntrance()
  return (
    <Entrance title="Sign in">
      {search.error && (
        <Alert color="red" variant="light" role="alert" title="You are not signed in">
          {GOOGLE_REFUSALS[search.error] ?? 'Signing in did not work. Try again from here.'}
        </Alert>
      )}
      {options?.googleSignIn && (
        <>
          <GoogleButton />
          <Divider label="or" labelPosition="center" />
        </>
      )}
      <PasswordForm next={search.next} />
    </Entrance>
  )
}

function PasswordForm({ next }: { next: string | undefined }) {
  const router = useRouter()
  const [email, setEmail] = useState('')
  const [password, setPassword] = useState('')
  const [code, setCode] = useState('')
  const [isCodeWanted, setCodeWanted] = useState(false)
  const signIn = useMutation(
    trpc.auth.signIn.mutationOptions({
      onError: (error) => setCodeWanted(wantsCode(error)),
      onSuccess: () => {
        queryClient.clear()
        router.history.push(ownPath(next))
      }
    })
  )
  const submit = (event: FormEvent) => {
    event.preventDefault()
    signIn.mutate({ email: email.trim(), password, ...(isCodeWanted && { code }) })
  }
  return (
    <form onSubmit={submit}>
      <Stack gap="md">
        {signIn.error && !wantsCode(signIn.error) && <Failure error={signIn.error} title="You are not signed in" />}
        {reason(signIn.error) === 'mustResetPassword' && (
          <TextLink to="/forgot-password" search={{ email: email.trim() }} size="sm">
            Send me a link to choose a new password
          </TextLink>
        )}
        <TextInput
          label="E-mail address"
          type="email"
          autoComplete="username"
          inputMode="email"
          required
          withAsterisk={false}
          autoFocus
          value={email}
          onChange={(event) => setEmail(event.currentTarget.value)}
        />
        <KnownPassword value={password} onChange={setPassword} />
        {isCodeWanted && <CodeField value={code} onChange={setCode} refusal={signIn.error} autoFocus />}
        <Button type="submit" loading={signIn.isPending}>
          Sign in
        </Button>
        <TextLink to="/forgot-password" search={email.trim() ? { email: email.trim() } : {}} size="sm">
          Forgot your password?
        </TextLink>
      </Stack>
    </form>
  )
}

/** Accepts only paths of this page, so that the author of a link cannot send people to another site. */
function ownPath(next: string | undefined): string {
  if (!next || !URL.canParse(next, window.location.origin)) return '/'
  const { origin, pathname, search } = new URL(next, window.location.origin)
  return origin === window.location.origin && pathname !== '/sign-in' ? pathname + search : '/'
}
