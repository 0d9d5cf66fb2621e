// The organisation's settings.
import { Button, Skeleton } from '@mantine/core'
import { IconLock } from '@tabler/icons-react'
import { useMutation, useQuery } from '@tanstack/react-query'
import { useBlocker } from '@tanstack/react-router'
import { type FormEvent, useRef, useState } from 'react'
import { queryClient, trpc } from '../api.ts'
import { Confirm } from '../parts/confirm.tsx'
import { Empty } from '../parts/empty.tsx'
import { Failure } from '../parts/failures.tsx'
import { notifyDone } from '../parts/notify.ts'
import { Page } from '../parts/page.tsx'
import {
  InvitationFields,
  OrganisationFields,
  ProvisioningFields,
  RetentionFields,
  SignInFields
} from './settings/fields.tsx'
import { changesFrom, type Draft, isDirty, type Problems, problemsIn, problemsOf, toDraft } from './settings/form.ts'
import './settings/settings.css'

export default function SettingsPage() {
  const settings = useQuery(trpc.settings.get.queryOptions())
  const found = settings.data?.settings
  return (
    <Page
      title="Settings"
      description="How this organisation looks, invites, signs in and is provisioned."
      width="narrow"
    >
      {settings.error && !found ? (
        <Failure error={settings.error} retry={() => settings.refetch()} />
      ) : !found ? (
        <Skeleton height={480} radius="md" />
      ) : found.administration ? (
        <SettingsForm saved={toDraft(found)} canGoogle={found.administration.canGoogle} />
      ) : (
        <Empty icon={IconLock} title="Settings are for administrators">
          Ask one of your administrators to change something here.
        </Empty>
      )}
    </Page>
  )
}

function SettingsForm({ saved, canGoogle }: { saved: Draft; canGoogle: boolean }) {
  const [base, setBase] = useState(saved)
  const [draft, setDraft] = useState(saved)
  const [problems, setProblems] = useState<Problems>({})
  const form = useRef<HTMLFormElement>(null)
  const dirty = isDirty(base, draft)
  const save = useMutation(
    trpc.settings.update.mutationOptions({
      onSuccess: (answer) => {
        queryClient.setQueryData(trpc.settings.get.queryKey(), answer)
        // the header shows the name and the logo
        void queryClient.invalidateQueries(trpc.auth.me.queryFilter())
        setBase(toDraft(answer.settings))
        setDraft(toDraft(answer.settings))
        notifyDone('The settings are saved.')
      },
      onError: (error) => show(problemsIn(error))
    })
  )
  const show = (found: Problems) => {
    setProblems(found)
    if (Object.keys(found).length > 0) {
      requestAnimationFrame(() => form.current?.querySelector<HTMLElement>('[aria-invalid=true]')?.focus())
    }
  }
  const change = (part: Partial<Draft>) => {
    setDraft({ ...draft, ...part })
    const left = { ...problems }
    for (const field of Object.keys(part)) delete left[field as keyof Draft]
    setProblems(left)
  }
  const discard = () => {
    setDraft(base)
    setProblems({})
    save.reset()
  }
  const submit = (event: FormEvent) => {
    event.preventDefault()
    const found = problemsOf(draft)
    show(found)
    if (Object.keys(found).length === 0) save.mutate(changesFrom(base, draft))
  }
  const fields = { draft, problems, onChange: change }
  const isExplained = Object.keys(problemsIn(save.error)).length > 0
  return (
    <form ref={form} onSubmit={submit} noValidate>
      <div className="card">
        <OrganisationFields {...fields} />
        <InvitationFields {...fields} />
        <SignInFields {...fields} canGoogle={canGoogle} />
        <ProvisioningFields {...fields} />
        <RetentionFields {...fields} />
      </div>
      {save.error && !isExplained && (
        <div className="settings-failure">
          <Failure error={save.error} title="The settings were not saved" />
        </div>
      )}
      <SaveBar dirty={dirty} isSaving={save.isPending} onDiscard={discard} />
      <LeaveGuard dirty={dirty} />
    </form>
  )
}

function SaveBar({ dirty, isSaving, onDiscard }: { dirty: boolean; isSaving: boolean; onDiscard: () => void }) {
  return (
    <div className="save-bar" data-dirty={dirty || undefined}>
      <span role="status" className="save-bar-text">
        {dirty ? 'Unsaved changes' : ''}
      </span>
      <Button variant="default" onClick={onDiscard} disabled={!dirty || isSaving}>
        Discard
      </Button>
      <Button type="submit" disabled={!dirty} loading={isSaving}>
        Save
      </Button>
    </div>
  )
}

/** Asks before unsaved changes are lost, by a link or by closing the page. */
function LeaveGuard({ dirty }: { dirty: boolean }) {
  const blocker = useBlocker({ shouldBlockFn: () => dirty, enableBeforeUnload: () => dirty, withResolver: true })
  return (
    <Confirm
      opened={blocker.status === 'blocked'}
      onClose={() => blocker.reset?.()}
      title="Leave without saving?"
      action="Leave"
      isDangerous
      onConfirm={() => blocker.proceed?.()}
    >
      What you changed on this page is lost.
    </Confirm>
  )
}
