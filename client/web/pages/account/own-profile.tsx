import { Button, Group, Stack } from '@mantine/core'
import { useMutation, useQuery } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { type Outputs, queryClient, trpc } from '../../api.ts'
import { userChanged } from '../../lists.ts'
import { Failure } from '../../parts/failures.tsx'
import { managedFields, ownFields } from '../../parts/managed.tsx'
import { notifyDone } from '../../parts/notify.ts'
import { ProfileFields, presetProfile } from '../../parts/profile-fields.tsx'
import { Section } from '../../parts/section.tsx'

type User = NonNullable<Outputs['auth']['me']['user']>

export function OwnProfile({ user }: { user: User }) {
  const preset = presetProfile()
  const details = useQuery(trpc.users.get.queryOptions({ userId: user.id }))
  const managed = managedFields(details.data?.authority)
  const [values, setValues] = useState({
    displayName: user.displayName ?? '',
    givenName: user.givenName ?? '',
    familyName: user.familyName ?? '',
    timeZone: user.timeZone ?? preset.timeZone,
    locale: user.locale ?? preset.locale
  })
  const update = useMutation(
    trpc.users.update.mutationOptions({
      onSuccess: (answer) => {
        userChanged(answer.user)
        void queryClient.invalidateQueries(trpc.auth.me.queryFilter())
        notifyDone('Your profile is saved.')
      }
    })
  )
  const submit = (event: FormEvent) => {
    event.preventDefault()
    update.mutate({ userId: user.id, ...ownFields(values, managed) })
  }
  return (
    <Section title="Profile">
      <form onSubmit={submit}>
        <Stack gap="md">
          {update.error && <Failure error={update.error} />}
          <ProfileFields values={values} onChange={setValues} managed={managed} />
          <Group justify="flex-end">
            <Button type="submit" loading={update.isPending}>
              Save profile
            </Button>
          </Group>
        </Stack>
      </form>
    </Section>
  )
}
