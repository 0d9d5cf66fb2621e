// How much a connection may take away within an hour: the organisation's limits, its own, or no limit.
import { Group, Modal, NumberInput, Radio, Stack } from '@mantine/core'
import { useMutation } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { type Outputs, queryClient, trpc } from '../../api.ts'
import { DialogButtons } from '../../parts/dialog-buttons.tsx'
import { Failure } from '../../parts/failures.tsx'
import { notifyDone } from '../../parts/notify.ts'
import type { ConnectionDetails } from './tabs.ts'

type Brake = Outputs['brake']['get']['brake']

interface BrakeSettingsProps {
  connection: ConnectionDetails
  brake: Brake
  opened: boolean
  onClose: () => void
}

export function BrakeSettings(props: BrakeSettingsProps) {
  return (
    <Modal opened={props.opened} onClose={props.onClose} title={`Limits of ${props.connection.name}`}>
      <SettingsForm {...props} />
    </Modal>
  )
}

const DEFAULT_PERCENT = 10
const DEFAULT_PEOPLE = 20

function SettingsForm({ connection, brake, onClose }: BrakeSettingsProps) {
  const { settings, tenantSettings } = brake
  const tenantPercent = tenantSettings.percent ?? DEFAULT_PERCENT
  const tenantPeople = tenantSettings.people ?? DEFAULT_PEOPLE
  const [choice, setChoice] = useState<string>(
    settings.off ? 'off' : Object.keys(settings).length > 0 ? 'own' : 'tenant'
  )
  const [percent, setPercent] = useState<number | string>(settings.percent ?? tenantPercent)
  const [people, setPeople] = useState<number | string>(settings.people ?? tenantPeople)
  const update = useMutation(
    trpc.brake.update.mutationOptions({
      onSuccess: async () => {
        await queryClient.invalidateQueries(trpc.brake.pathFilter())
        onClose()
        notifyDone('The limits are changed.')
      }
    })
  )
  const isWrong = choice === 'own' && (percent === '' || people === '')
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (isWrong) return
    const own = { off: false, percent: Number(percent), people: Number(people) }
    update.mutate({
      connectionId: connection.id,
      settings: choice === 'tenant' ? {} : choice === 'off' ? { off: true } : own
    })
  }
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="md">
        <Radio.Group label="Deactivations, removals and lost memberships" value={choice} onChange={setChoice}>
          <Stack gap="sm" mt="xs">
            <Radio
              value="tenant"
              label="As the organisation sets it"
              description={
                tenantSettings.off
                  ? 'The brake is off there.'
                  : `${tenantPercent} % of the active people within an hour, ${tenantPeople} at least.`
              }
            />
            <Radio value="own" label="Its own limits" />
            <Radio value="off" label="No limits" description="A mistake on the other side may take everybody away." />
          </Stack>
        </Radio.Group>
        {choice === 'own' && (
          <Group grow align="flex-start">
            <NumberInput
              label="Percent of the active people"
              value={percent}
              onChange={setPercent}
              error={percent === '' ? 'Enter a number.' : undefined}
              min={0}
              max={100}
            />
            <NumberInput
              label="People at least"
              value={people}
              onChange={setPeople}
              error={people === '' ? 'Enter a number.' : undefined}
              min={1}
              max={1_000_000}
              allowDecimal={false}
            />
          </Group>
        )}
        {update.error && <Failure error={update.error} />}
        <DialogButtons onClose={onClose} isPending={update.isPending}>
          Save
        </DialogButtons>
      </Stack>
    </form>
  )
}
