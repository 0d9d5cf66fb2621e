// Asks for the operator token, and tries it before it is kept.
import { Alert, Button, Code, PasswordInput, Stack, Text, Title } from '@mantine/core'
import { useMutation } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { httpStatus, reason } from '../../api.ts'
import { Empty } from '../../parts/empty.tsx'
import { wordsFor } from '../../parts/failures.tsx'
import { useDocumentTitle } from '../../parts/page.tsx'
import { operatorClient } from './operator.ts'

interface OperatorSignInProps {
  /** The token that was kept is no longer taken. */
  isRefused: boolean
  onSignIn: (token: string) => void
}

export function OperatorSignIn({ isRefused, onSignIn }: OperatorSignInProps) {
  useDocumentTitle('Operator')
  const [token, setToken] = useState('')
  const [isMissing, setMissing] = useState(false)
  const signIn = useMutation({
    mutationFn: (given: string) => operatorClient(given).tenants.list.query({ limit: 1 }),
    onSuccess: (_answer, given) => onSignIn(given)
  })
  if (reason(signIn.error) === 'wrongHost') return <WrongHost />
  const submit = (event: FormEvent) => {
    event.preventDefault()
    const given = token.trim()
    setMissing(!given)
    if (given) signIn.mutate(given)
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
        {isRefused && (
          <Alert color="yellow" variant="light" role="alert">
            The token is no longer accepted. Enter the current one.
          </Alert>
        )}
        <PasswordInput
          label="Operator token"
          description={
            <>
              The value of <Code>OPERATOR_TOKEN</Code>, or of the file <Code>.data/operator-token</Code>. It is
              forgotten when this tab is closed.
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
  httpStatus(error) === 401 || httpStatus(error) === 403
    ? 'This is not the operator token. Check it and try again.'
    : wordsFor(error)

const WrongHost = () => (
  <Empty title="The operator’s page is elsewhere">
    This is the address of one organisation. Open /tenants on the service’s base domain.
  </Empty>
)
