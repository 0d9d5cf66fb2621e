// Tells a person what failed and what to do about it.
import { Alert, Button, Center, Stack, Text, Title } from '@mantine/core'
import type { ErrorComponentProps } from '@tanstack/react-router'
import { httpStatus, reason } from '../api.ts'

/** Reasons whose own message does not say what to do next. Others are shown in the service's words. */
const WORDS: Record<string, string> = {
  invalidCredentials: 'That address and password do not belong together. Check both, or reset your password.',
  unauthenticated: 'You are signed out. Sign in again to go on.',
  administratorOnly: 'Only an administrator may do this. Ask one of yours.',
  lastAdministrator: 'This is the last active administrator. Make somebody else an administrator first.',
  notYourself: 'You cannot do this to yourself. Ask another administrator.',
  notDeactivated: 'Deactivate this person first; then they can be removed.',
  rateLimited: 'That was tried too often. Wait a little, then try again.',
  unavailable: 'The service is busy or restarting. Try again in a moment.',
  crossOrigin: 'This page was opened from another site. Open it from its own address and try again.'
}

export function wordsFor(error: unknown): string {
  const known = WORDS[reason(error) ?? '']
  if (known) return known
  if (httpStatus(error) === undefined) return 'The service cannot be reached. Check your connection and try again.'
  return error instanceof Error ? error.message : String(error)
}

export function Failure({ error, retry, title }: { error: unknown; retry?: () => void; title?: string }) {
  return (
    <Alert color="red" variant="light" title={title ?? 'That did not work'} role="alert">
      <Stack gap="sm" align="flex-start">
        <Text size="sm">{wordsFor(error)}</Text>
        {retry && (
          <Button size="xs" variant="default" onClick={retry}>
            Try again
          </Button>
        )}
      </Stack>
    </Alert>
  )
}

export function PageError({ error, reset }: ErrorComponentProps) {
  return (
    <Center mih="60vh" p="md">
      <Failure error={error} retry={reset} title="This page did not load" />
    </Center>
  )
}

export function NotFound() {
  return (
    <Center mih="60vh" p="md" component="main">
      <Stack align="center" gap="xs">
        <Title order={1}>There is nothing here</Title>
        <Text c="dimmed">The address may be mistyped, or what it led to is gone.</Text>
        <Button component="a" href="/" mt="sm">
          Go to the start
        </Button>
      </Stack>
    </Center>
  )
}
