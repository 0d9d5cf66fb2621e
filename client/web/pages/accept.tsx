// The page behind an invitation's link: choose how to sign in, enter a profile, and come in.
import { Alert, Button, Divider, Group, Skeleton, Stack, Text } from '@mantine/core'
import { useMutation, useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { type FormEvent, type ReactNode, useState } from 'react'
import { type Outputs, queryClient, reason, trpc } from '../api.ts'
import { Entrance, useEntrance } from '../parts/entrance.tsx'
import { Failure, wordsFor } from '../parts/failures.tsx'
import { AcceptWithGoogle } from '../parts/google-button.tsx'
import { ButtonLink } from '../parts/link.tsx'
import { useLinkToken } from '../parts/link-token.ts'
import { notifyDone } from '../parts/notify.ts'
import { NewPassword } from '../parts/password-field.tsx'
import { ProfileFields, type ProfileValues, presetProfile } from '../parts/profile-fields.tsx'
import { Time } from '../parts/time.tsx'
import { ROLE_LABELS } from '../roles.ts'

type Preview = Outputs['invitations']['preview']

export default function Accept() {
  const token = useLinkToken() ?? ''
  const preview = useQuery({
    ...trpc.invitations.preview.queryOptions({ token }),
    enabled: token !== '',
    staleTime: Number.POSITIVE_INFINITY,
    refetchOnWindowFocus: false
  })
  if (token === '') return <DeadLink refusal="invitationInvalid" />
  if (preview.error) {
    const refusal = reason(preview.error)
    if (refusal && DEAD_LINKS[refusal]) return <DeadLink refusal={refusal} />
    return (
      <Entrance title="Your invitation">
        <Failure error={preview.error} retry={() => preview.refetch()} />
      </Entrance>
    )
  }
  if (!preview.data) {
    return (
      <Entrance title="Your invitation">
        <Stack role="status" aria-label="Loading your invitation">
          <Skeleton height={16} />
          <Skeleton height={40} />
          <Skeleton height={40} />
        </Stack>
      </Entrance>
    )
  }
  return <Steps token={token} preview={preview.data} />
}

interface StepsProps {
  token: string
  preview: Preview
}

function Steps({ token, preview }: StepsProps) {
  const navigate = useNavigate()
  const [step, setStep] = useState<'password' | 'profile'>('password')
  const [password, setPassword] = useState('')
  const [profile, setProfile] = useState(presetProfile)
  const accept = useMutation(
    trpc.invitations.accept.mutationOptions({
      onSuccess: async () => {
        queryClient.clear()
        await navigate({ to: '/users', replace: true })
        notifyDone(`Welcome to ${preview.tenant.name}!`)
      },
      // the password was entered a step earlier, which shows what is wrong with it
      onError: (error) => reason(error) === 'weakPassword' && setStep('password')
    })
  )
  const refusal = reason(accept.error)
  if (refusal && DEAD_LINKS[refusal]) return <DeadLink refusal={refusal} />
  if (step === 'password') {
    return (
      <PasswordStep
        token={token}
        preview={preview}
        password={password}
        onPassword={setPassword}
        error={refusal === 'weakPassword' ? wordsFor(accept.error) : undefined}
        onDone={() => {
          accept.reset()
          setStep('profile')
        }}
      />
    )
  }
  return (
    <ProfileStep
      profile={profile}
      onProfile={setProfile}
      error={accept.error}
      isPending={accept.isPending}
      onBack={() => setStep('password')}
      onDone={() => accept.mutate({ token, password, profile: given(profile) })}
    />
  )
}

interface PasswordStepProps extends StepsProps {
  password: string
  onPassword: (password: string) => void
  /** Why the service refused it. */
  error: string | undefined
  onDone: () => void
}

function PasswordStep({ token, preview, password, onPassword, error, onDone }: PasswordStepProps) {
  const options = useEntrance()
  const minLength = options?.passwordMinLength ?? 8
  const isBack = preview.mustResetPassword
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if ([...password].length >= minLength) onDone()
  }
  return (
    <Entrance
      title={isBack ? 'Welcome back: choose a new password first' : `Join ${preview.tenant.name}`}
      description={<Invited preview={preview} />}
    >
      {isBack && (
        <Alert color="pine" variant="light">
          Your earlier password and sessions ended when your access did. Nothing else signs you in before you have
          chosen a new password.
        </Alert>
      )}
      {options?.googleSignIn && !isBack && (
        <>
          <AcceptWithGoogle invitation={token} />
          <Divider label="or choose a password" labelPosition="center" />
        </>
      )}
      <form onSubmit={submit}>
        <Stack gap="md">
          <input type="hidden" autoComplete="username" value={preview.email} readOnly />
          <NewPassword
            label={isBack ? 'New password' : 'Password'}
            value={password}
            onChange={onPassword}
            words={[preview.email, preview.tenant.name]}
            minLength={minLength}
            error={error}
            autoFocus
          />
          <Button type="submit">Continue</Button>
        </Stack>
      </form>
    </Entrance>
  )
}

interface ProfileStepProps {
  profile: ProfileValues
  onProfile: (profile: ProfileValues) => void
  error: unknown
  isPending: boolean
  onBack: () => void
  onDone: () => void
}

function ProfileStep({ profile, onProfile, error, isPending, onBack, onDone }: ProfileStepProps) {
  const submit = (event: FormEvent) => {
    event.preventDefault()
    onDone()
  }
  return (
    <Entrance title="Who are you?" description="You can change all of this later, under My account.">
      <form onSubmit={submit}>
        <Stack gap="md">
          {error ? <Failure error={error} /> : null}
          <ProfileFields values={profile} onChange={onProfile} autoFocus />
          <Group justify="space-between">
            <Button variant="subtle" color="gray" onClick={onBack}>
              Back
            </Button>
            <Button type="submit" loading={isPending}>
              Finish and sign in
            </Button>
          </Group>
        </Stack>
      </form>
    </Entrance>
  )
}

/** Without empty values. */
const given = ({ displayName, givenName, familyName, timeZone, locale }: ProfileValues) => ({
  displayName: displayName.trim(),
  ...(givenName.trim() && { givenName: givenName.trim() }),
  ...(familyName.trim() && { familyName: familyName.trim() }),
  ...(timeZone && { timeZone }),
  ...(locale && { locale })
})

const Invited = ({ preview }: { preview: Preview }) => (
  <>
    {preview.inviterName} invited <strong>{preview.email}</strong> as {ROLE_LABELS[preview.role].toLowerCase()}. The
    link works until <Time value={preview.expiresAt} as="dateTime" />.
  </>
)

/** The reasons for which a link is dead, and what to do next. */
const DEAD_LINKS: Record<string, { title: string; text: string; next?: 'signIn' }> = {
  invitationUsed: {
    title: 'This invitation was used already',
    text: 'Your account is there: sign in with the password or Google account that you chose. If it was not you who used it, tell one of your administrators.',
    next: 'signIn'
  },
  invitationResent: {
    title: 'There is a newer invitation',
    text: 'This link ended when a new one was sent. Open the latest mail in your inbox and use the link in it.'
  },
  invitationRevoked: {
    title: 'This invitation was taken back',
    text: 'Whoever invited you has withdrawn it. Ask them if you think that it was a mistake; they can invite you again.'
  },
  invitationExpired: {
    title: 'This invitation has expired',
    text: 'Its link works for a limited time. Ask the person who invited you to send it again: that takes them one click.'
  },
  invitationInvalid: {
    title: 'This link is not complete',
    text: 'Mail programs sometimes cut long links. Open it from the mail once more, or copy all of it into the address bar.'
  }
}

function DeadLink({ refusal }: { refusal: string }): ReactNode {
  const { title, text, next } = DEAD_LINKS[refusal]!
  return (
    <Entrance title={title}>
      <Text size="sm">{text}</Text>
      <Group>
        <ButtonLink to="/sign-in" variant={next === 'signIn' ? 'filled' : 'default'}>
          {next === 'signIn' ? 'Sign in' : 'I have an account: sign in'}
        </ButtonLink>
      </Group>
    </Entrance>
  )
}
