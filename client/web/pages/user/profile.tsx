import { Button, Modal, Stack } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { useMutation } from '@tanstack/react-query'
import { type FormEvent, type ReactNode, useState } from 'react'
import { trpc } from '../../api.ts'
import { userChanged } from '../../lists.ts'
import { DialogButtons } from '../../parts/dialog-buttons.tsx'
import { Failure } from '../../parts/failures.tsx'
import { type Authority, ManagedNote, managedBy, managedFields, ownFields } from '../../parts/managed.tsx'
import { notifyDone } from '../../parts/notify.ts'
import { localeName, ProfileFields, type ProfileValues } from '../../parts/profile-fields.tsx'
import { Facts, Section } from '../../parts/section.tsx'
import { Time } from '../../parts/time.tsx'
import type { Details } from '../user.tsx'

type User = Details['user']

export function ProfileSection({ details, mayEdit }: { details: Details; mayEdit: boolean }) {
  const { user, authority } = details
  const [isEditing, { open, close }] = useDisclosure()
  const fullName = [user.givenName, user.familyName].filter(Boolean).join(' ') || null
  const source = user.source === 'scim' ? `Provisioned by ${user.sourceName ?? 'an identity provider'}` : 'Invited'
  return (
    <Section
      title="Profile"
      action={
        mayEdit && (
          <Button variant="default" size="xs" onClick={open}>
            Edit profile
          </Button>
        )
      }
    >
      <Facts
        facts={[
          ['Display name', noted(user.displayName, authority.displayName)],
          ['Full name', noted(fullName, managedBy(authority.givenName) ? authority.givenName : authority.familyName)],
          ['E-mail', noted(user.email, authority.email)],
          ...(user.userName === user.email
            ? []
            : [['User name', noted(user.userName, authority.userName)] as [string, ReactNode]]),
          ['Time zone', noted(user.timeZone?.replaceAll('_', ' '), authority.timeZone)],
          ['Language', noted(user.locale && localeName(user.locale), authority.locale)],
          ['How they came', source],
          ['Added', <Time key="added" value={user.createdAt} as="dateTime" />],
          ['Last sign-in', <Time key="last" value={user.lastSignInAt} as="dateTime" empty="Never" />]
        ]}
      />
      {isEditing && <ProfileDialog details={details} onClose={close} />}
    </Section>
  )
}

/** A value with its managing connection. */
const noted = (value: string | null | undefined, authority: Authority | undefined): ReactNode =>
  value && (
    <>
      {value} <ManagedNote authority={authority} />
    </>
  )

const valuesOf = (user: User): ProfileValues => ({
  displayName: user.displayName ?? '',
  givenName: user.givenName ?? '',
  familyName: user.familyName ?? '',
  timeZone: user.timeZone ?? '',
  locale: user.locale ?? ''
})

function ProfileDialog({ details: { user, authority }, onClose }: { details: Details; onClose: () => void }) {
  const managed = managedFields(authority)
  const [values, setValues] = useState(() => valuesOf(user))
  const update = useMutation(
    trpc.users.update.mutationOptions({
      onSuccess: (answer) => {
        userChanged(answer.user)
        notifyDone('The profile is saved.')
        onClose()
      }
    })
  )
  const submit = (event: FormEvent) => {
    event.preventDefault()
    update.mutate({ userId: user.id, ...ownFields(values, managed) })
  }
  return (
    <Modal opened onClose={onClose} title="Edit profile">
      <form onSubmit={submit}>
        <Stack gap="md">
          {update.error && <Failure error={update.error} />}
          <ProfileFields values={values} onChange={setValues} managed={managed} autoFocus />
          <DialogButtons onClose={onClose} isPending={update.isPending}>
            Save
          </DialogButtons>
        </Stack>
      </form>
    </Modal>
  )
}
