import { Button, Group, Modal, Stack } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { useMutation } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { trpc } from '../../api.ts'
import { userChanged } from '../../lists.ts'
import { Failure } from '../../parts/failures.tsx'
import { notifyDone } from '../../parts/notify.ts'
import { localeName, ProfileFields, type ProfileValues } from '../../parts/profile-fields.tsx'
import { Facts, Section } from '../../parts/section.tsx'
import { Time } from '../../parts/time.tsx'
import type { Details } from '../user.tsx'

type User = Details['user']

export function ProfileSection({ user, mayEdit }: { user: User; mayEdit: boolean }) {
  const [isEditing, { open, close }] = useDisclosure()
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
          ['Display name', user.displayName],
          ['Full name', [user.givenName, user.familyName].filter(Boolean).join(' ') || null],
          ['E-mail', user.email],
          ...(user.userName === user.email ? [] : ([['User name', user.userName]] as [string, string][])),
          ['Time zone', user.timeZone?.replaceAll('_', ' ')],
          ['Language', user.locale && localeName(user.locale)],
          ['How they came', source],
          ['Added', <Time key="added" value={user.createdAt} as="dateTime" />],
          ['Last sign-in', <Time key="last" value={user.lastSignInAt} as="dateTime" empty="Never" />]
        ]}
      />
      {isEditing && <ProfileDialog user={user} onClose={close} />}
    </Section>
  )
}

const valuesOf = (user: User): ProfileValues => ({
  displayName: user.displayName ?? '',
  givenName: user.givenName ?? '',
  familyName: user.familyName ?? '',
  timeZone: user.timeZone ?? '',
  locale: user.locale ?? ''
})

function ProfileDialog({ user, onClose }: { user: User; onClose: () => void }) {
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
    update.mutate({ userId: user.id, ...values })
  }
  return (
    <Modal opened onClose={onClose} title="Edit profile" centered>
      <form onSubmit={submit}>
        <Stack gap="md">
          {update.error && <Failure error={update.error} />}
          <ProfileFields values={values} onChange={setValues} autoFocus />
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={update.isPending}>
              Save
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}
