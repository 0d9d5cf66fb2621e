// Creates an organisation, and invites its first administrator.
import { Modal, Stack, TextInput } from '@mantine/core'
import { useMutation } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { reason } from '../../api.ts'
import { DialogButtons } from '../../parts/dialog-buttons.tsx'
import { Failure, wordsFor } from '../../parts/failures.tsx'
import { notifyDone } from '../../parts/notify.ts'
import { queryClient, trpc } from './operator.ts'

interface Draft {
  name: string
  subdomain: string
  admin: string
}
type Problems = Partial<Record<keyof Draft, string>>

const SUBDOMAIN = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

export function CreateTenant({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  return (
    <Modal opened={opened} onClose={onClose} title="Create an organisation">
      <TenantForm onClose={onClose} />
    </Modal>
  )
}

function TenantForm({ onClose }: { onClose: () => void }) {
  const [draft, setDraft] = useState<Draft>({ name: '', subdomain: '', admin: '' })
  const [isOwnSubdomain, setOwnSubdomain] = useState(false)
  const [isChecked, setChecked] = useState(false)
  const create = useMutation(
    trpc.tenants.create.mutationOptions({
      onSuccess: async (_answer, { name, admin }) => {
        await queryClient.invalidateQueries(trpc.tenants.list.pathFilter())
        onClose()
        notifyDone(admin ? `${name} is there, and ${admin} is invited.` : `${name} is there.`)
      }
    })
  )
  const problems: Problems = { ...(isChecked && problemsOf(draft)), ...refusalOf(create.error) }
  const change = (part: Partial<Draft>) => {
    setDraft({ ...draft, ...part })
    create.reset()
  }
  const submit = (event: FormEvent) => {
    event.preventDefault()
    setChecked(true)
    if (Object.keys(problemsOf(draft)).length > 0) return
    const { name, subdomain, admin } = draft
    create.mutate({ name: name.trim(), subdomain, admin: admin.trim() || undefined })
  }
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        <TextInput
          label="Name"
          value={draft.name}
          onChange={({ currentTarget: { value } }) =>
            change({ name: value, ...(!isOwnSubdomain && { subdomain: subdomainFrom(value) }) })
          }
          error={problems.name}
          maxLength={200}
          required
          data-autofocus
        />
        <TextInput
          label="Subdomain"
          description={`Its people sign in at ${draft.subdomain || 'subdomain'}.${window.location.host}. It cannot be changed later.`}
          value={draft.subdomain}
          onChange={({ currentTarget: { value } }) => {
            setOwnSubdomain(value !== '')
            change({ subdomain: value.trim().toLowerCase() })
          }}
          error={problems.subdomain}
          maxLength={63}
          autoCapitalize="none"
          spellCheck={false}
          required
        />
        <TextInput
          type="email"
          label="First administrator"
          description="Gets an invitation by mail. Left empty, nobody can sign in yet."
          placeholder="ada@example.com"
          value={draft.admin}
          onChange={({ currentTarget: { value } }) => change({ admin: value })}
          error={problems.admin}
          autoComplete="off"
        />
        {create.error && !refusalOf(create.error) && <Failure error={create.error} />}
        <DialogButtons onClose={onClose} isPending={create.isPending}>
          Create organisation
        </DialogButtons>
      </Stack>
    </form>
  )
}

/** `Müller & Söhne AG` -> `muller-sohne-ag` */
const subdomainFrom = (name: string) =>
  name
    .normalize('NFD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 63)
    .replace(/^-+|-+$/g, '')

function problemsOf({ name, subdomain, admin }: Draft): Problems {
  return {
    ...(!name.trim() && { name: 'Give the organisation a name.' }),
    ...(!SUBDOMAIN.test(subdomain) && {
      subdomain: 'Use letters a to z, digits and hyphens; neither the first nor the last may be a hyphen.'
    }),
    ...(admin.trim() && !/^[^\s@]+@[^\s@]+$/.test(admin.trim()) && { admin: 'Enter an e-mail address.' })
  }
}

/** Refusals by the service, under the field that they are about. */
function refusalOf(error: unknown): Problems | undefined {
  switch (reason(error)) {
    case 'subdomainTaken':
      return { subdomain: 'Another organisation has this subdomain. Choose a different one.' }
    case 'subdomainReserved':
      return { subdomain: 'This subdomain is kept for the service itself. Choose a different one.' }
    case 'invalidSubdomain':
      return { subdomain: wordsFor(error) }
    case 'invalidEmail':
      return { admin: 'This is not an e-mail address.' }
    case 'emailInOtherTenant':
      return { admin: 'This address belongs to another organisation. Choose a different one.' }
  }
}
