// The second factor: setting it up with an authenticator app, removing it, and the remaining recovery codes.
import { Alert, Button, Code, Group, Stack, Text } from '@mantine/core'
import { IconKey } from '@tabler/icons-react'
import { useMutation, useQuery } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { queryClient, reason, trpc } from '../../api.ts'
import { AskAgain, needsConfirmation } from '../../parts/ask-again.tsx'
import { CodeField } from '../../parts/code-field.tsx'
import { Confirm } from '../../parts/confirm.tsx'
import { CopyField } from '../../parts/copy-once.tsx'
import { Failure } from '../../parts/failures.tsx'
import { notifyDone } from '../../parts/notify.ts'
import { QrCode } from '../../parts/qr-code.tsx'
import { Section } from '../../parts/section.tsx'
import { Time } from '../../parts/time.tsx'

const changed = () =>
  Promise.all([
    queryClient.invalidateQueries(trpc.secondFactor.get.pathFilter()),
    queryClient.invalidateQueries(trpc.auth.sessions.pathFilter())
  ])

export function SecondFactorSection() {
  const factor = useQuery(trpc.secondFactor.get.queryOptions())
  return (
    <Section
      title="Second factor"
      description="Beside your password, a code of an app on your phone. Sign-in with Google does not ask for it."
    >
      {factor.error && <Failure error={factor.error} retry={() => factor.refetch()} />}
      {factor.data && (factor.data.enabledAt ? <InForce factor={factor.data} /> : <SetUpSecondFactor />)}
    </Section>
  )
}

function InForce({ factor }: { factor: { enabledAt: string | null; recoveryCodeCount: number } }) {
  const [isAsking, setAsking] = useState(false)
  const disable = useMutation(
    trpc.secondFactor.disable.mutationOptions({
      onSuccess: () => {
        setAsking(false)
        notifyDone('You sign in with your password alone now.')
        return changed()
      }
    })
  )
  const left = factor.recoveryCodeCount
  return (
    <Group justify="space-between">
      <Text size="sm">
        On since <Time value={factor.enabledAt} />.{' '}
        {left === 0 ? 'No recovery code is left' : `${left} recovery codes left`}
        {left < 3 && ': take it away and set it up again to get new ones'}.
      </Text>
      <Button size="xs" variant="default" onClick={() => setAsking(true)}>
        Take it away
      </Button>
      <Confirm
        opened={isAsking && !needsConfirmation(disable.error)}
        onClose={() => setAsking(false)}
        title="Take your second factor away?"
        action="Take it away"
        isDangerous
        isPending={disable.isPending}
        error={disable.error}
        onConfirm={() => disable.mutate({})}
      >
        Whoever has your password can sign in with it alone then. Your recovery codes end, too.
      </Confirm>
      <AskAgain error={disable.error} onConfirmed={() => disable.mutate({})} onClose={() => disable.reset()} />
    </Group>
  )
}

/** Also used where the organisation requires it first. @param onDone once the recovery codes are saved */
export function SetUpSecondFactor({ onDone = () => {} }: { onDone?: () => void }) {
  const [code, setCode] = useState('')
  const prepare = useMutation(trpc.secondFactor.prepare.mutationOptions())
  const enable = useMutation(trpc.secondFactor.enable.mutationOptions())
  const finish = () => {
    void changed()
    onDone()
  }
  if (enable.data) return <RecoveryCodes codes={enable.data.recoveryCodes} onKept={finish} />
  if (!prepare.data) {
    return (
      <Stack gap="sm" align="flex-start">
        {prepare.error && !needsConfirmation(prepare.error) && <Failure error={prepare.error} />}
        <Button variant="default" loading={prepare.isPending} onClick={() => prepare.mutate({})}>
          Set it up
        </Button>
        <AskAgain error={prepare.error} onConfirmed={() => prepare.mutate({})} onClose={() => prepare.reset()} />
      </Stack>
    )
  }
  const submit = (event: FormEvent) => {
    event.preventDefault()
    enable.mutate({ code })
  }
  return (
    <form onSubmit={submit}>
      <Stack gap="md">
        <Text size="sm">
          Scan this with your authenticator app, type the key into it, or{' '}
          <a href={prepare.data.uri}>open the app on this device</a>. Then enter the code that it shows.
        </Text>
        <QrCode text={prepare.data.uri} label="The key as a QR code" />
        <CopyField label="Key" value={prepare.data.secret} />
        {enable.error && reason(enable.error) !== 'wrongCode' && <Failure error={enable.error} />}
        <CodeField
          description="The six digits that the app shows"
          inputMode="numeric"
          value={code}
          onChange={setCode}
          refusal={enable.error}
        />
        <Group justify="flex-end">
          <Button type="submit" loading={enable.isPending}>
            Turn it on
          </Button>
        </Group>
      </Stack>
    </form>
  )
}

function RecoveryCodes({ codes, onKept }: { codes: readonly string[]; onKept: () => void }) {
  return (
    <Alert color="pine" variant="light" icon={<IconKey size={18} />} title="It is on. Keep these recovery codes">
      <Stack gap="sm">
        <Text size="sm">
          Each signs you in once when you do not have your phone. They are not shown again: print them, or put them into
          your password manager.
        </Text>
        <Code block>{codes.join('\n')}</Code>
        <CopyField label="All of them" value={codes.join(' ')} />
        <Group justify="flex-end">
          <Button onClick={onKept}>I have kept them</Button>
        </Group>
      </Stack>
    </Alert>
  )
}
