// Asks for the operator token, which is not stored: it starts a session.
import { Alert, Button, Code, PasswordInput, Stack, Text, Title } from '@mantine/core'
import { useMutation } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { httpStatus } from '../../api.ts'
import { wordsFor } from '../../parts/failures.tsx'
import { useDocumentTitle } from '../../parts/page.tsx'
import { trpc } from './operator.ts'

interface OperatorSignInProps {
  /** The session ended during work: it was idle for too long, or the token was changed. */
  hasEnded: boolean
  onSignIn: () => void
}

export function OperatorSignIn({ hasEnded, onSignIn }: OperatorSignInProps) {
  useDocumentTitle('Operator')
  const [token, setToken] = useState('')
  const [isMissing, setMissing] = useState(false)
  const signIn = useMutation(trpc.operator.signIn.mutationOptions({ onSuccess: onSignIn }))
  const submit = (event: FormEvent) => {
    event.preventDefault()
    const given = token.trim()
    setMissing(!given)
    if (given) signIn.mutate({ token: given })
  }
  return (
    <form onSubmit={submit} noValidate className="operator-form">
      <Stack gap="md" className="card card-section">
        <div>
          <Title order={1}>Organisations</Title>
          <Text size="sm" c="dimmed">
            For whoever runs this service. Members sign in at their organisation’s own address.
          </Text>
        </div>
        {hasEnded && (
          <Alert color="yellow" variant="light" role="alert">
            Your session has ended. Enter the current token to go on.
          </Alert>
        )}
        <PasswordInput
          label="Operator token"
          description={
            <>
              The value of <Code>OPERATOR_TOKEN</Code>, or of the file <Code>.data/operator-token</Code>. You stay
              signed in until the browser is closed, for an hour without use and twelve in all.
            </>
          }
          value={token}
          onChange={(event) => {
            setToken(event.currentTarget.value)
            setMissing(false)
            signIn.reset()
          }}
          error={isMissing ? 'Enter the operator token.' : signIn.error ? refusalInWords(signIn.error) : undefined}
          visibilityToggleButtonProps={{ 'aria-label': 'Show the token' }}
          autoComplete="off"
          spellCheck={false}
          required
          data-autofocus
        />
        <Button type="submit" loading={signIn.isPending} fullWidth>
          Continue
        </Button>
      </Stack>
    </form>
  )
}

const refusalInWords = (error: unknown) =>
  httpStatus(error) === 401 ? 'This is not the operator token. Check it and try again.' : wordsFor(error)
