// Creates an event stream, and shows a webhook's secret once.
import { MultiSelect, SegmentedControl, Stack, Text, TextInput } from '@mantine/core'
import { useMutation } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { queryClient, trpc } from '../../api.ts'
import { CopyOnce, OnceDialog } from '../../parts/copy-once.tsx'
import { DialogButtons } from '../../parts/dialog-buttons.tsx'
import { Failure } from '../../parts/failures.tsx'
import { EVENT_TYPES, KIND_NAMES, type Stream } from './words.ts'

interface CreateStreamProps {
  opened: boolean
  onClose: () => void
}

export function CreateStream({ opened, onClose }: CreateStreamProps) {
  const [isShown, setShown] = useState(false)
  return (
    <OnceDialog
      opened={opened}
      onClose={onClose}
      title={isShown ? 'The stream is ready' : 'New event stream'}
      isShown={isShown}
      onExitTransitionEnd={() => setShown(false)}
      size="lg"
    >
      <StreamForm onClose={onClose} onReady={() => setShown(true)} />
    </OnceDialog>
  )
}

const HINTS: Record<Stream['kind'], string> = {
  webhook: 'JSON, signed with a secret that you and we know (Standard Webhooks).',
  set: 'SCIM security event tokens (RFC 9967), pushed (RFC 8935) and signed by a key that we publish.'
}

function StreamForm({ onClose, onReady }: { onClose: () => void; onReady: () => void }) {
  const [kind, setKind] = useState<Stream['kind']>('webhook')
  const [name, setName] = useState('')
  const [url, setUrl] = useState('')
  const [eventTypes, setEventTypes] = useState<string[]>([])
  const [audience, setAudience] = useState('')
  const [authorization, setAuthorization] = useState('')
  const [isChecked, setChecked] = useState(false)
  const create = useMutation(
    trpc.eventStreams.create.mutationOptions({
      onSuccess: ({ secret }) => {
        if (secret) onReady()
        else onClose()
        return queryClient.invalidateQueries(trpc.eventStreams.list.pathFilter())
      }
    })
  )
  if (create.data?.secret) return <CopyOnce label="Secret" value={create.data.secret} onCopied={onClose} />

  const submit = (event: FormEvent) => {
    event.preventDefault()
    setChecked(true)
    if (!name.trim() || !URL.canParse(url.trim())) return
    const ofTokens = { audience: audience.trim() || undefined, authorization: authorization.trim() || undefined }
    create.mutate({ kind, name: name.trim(), url: url.trim(), eventTypes, ...(kind === 'set' && ofTokens) })
  }
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        <div>
          <SegmentedControl
            aria-label="Kind"
            data={(['webhook', 'set'] as const).map((value) => ({ value, label: KIND_NAMES[value] }))}
            value={kind}
            onChange={(value) => setKind(value as Stream['kind'])}
          />
          <Text size="sm" c="dimmed" mt={4}>
            {HINTS[kind]}
          </Text>
        </div>
        <TextInput
          label="Name"
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          error={isChecked && !name.trim() ? 'Give the stream a name.' : undefined}
          maxLength={100}
          required
          data-autofocus
        />
        <TextInput
          label="URL"
          placeholder="https://hooks.example.com/muster"
          value={url}
          onChange={(event) => setUrl(event.currentTarget.value)}
          error={isChecked && !URL.canParse(url.trim()) ? 'Give a URL that begins with https://.' : undefined}
          inputMode="url"
          required
        />
        <MultiSelect
          label="Events"
          description="Leave it empty for every event."
          data={EVENT_TYPES}
          value={eventTypes}
          onChange={setEventTypes}
          clearable
        />
        {kind === 'set' && (
          <>
            <TextInput
              label="Audience"
              description="What the receiver calls itself; the URL where it is left empty."
              value={audience}
              onChange={(event) => setAudience(event.currentTarget.value)}
            />
            <TextInput
              label="Authorization header"
              description="What the receiver asks for, such as Bearer and a token. It is kept sealed."
              value={authorization}
              onChange={(event) => setAuthorization(event.currentTarget.value)}
              autoComplete="off"
            />
          </>
        )}
        {create.error && <Failure error={create.error} />}
        <DialogButtons onClose={onClose} isPending={create.isPending}>
          Create stream
        </DialogButtons>
      </Stack>
    </form>
  )
}
