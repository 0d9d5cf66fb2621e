// What an administrator may do with a person in their state. A disabled action says why.
import { Button, Menu } from '@mantine/core'
import {
  IconChevronDown,
  IconDeviceMobileOff,
  IconLock,
  IconLockOpen,
  IconPlugConnectedX,
  IconTrash,
  IconUserCheck,
  IconUserOff
} from '@tabler/icons-react'
import { useMutation } from '@tanstack/react-query'
import { type ComponentType, type ReactNode, useState } from 'react'
import { reason, trpc } from '../../api.ts'
import { counted } from '../../counted.ts'
import { peopleChanged, userChanged } from '../../lists.ts'
import { AskAgain, needsConfirmation } from '../../parts/ask-again.tsx'
import { Confirm } from '../../parts/confirm.tsx'
import { MenuChoice } from '../../parts/menu-choice.tsx'
import { notifyDone } from '../../parts/notify.ts'
import { shownName } from '../../parts/person.tsx'
import type { Details } from '../user.tsx'

type User = Details['user']
type Step = 'deactivate' | 'activate' | 'lock' | 'unlock' | 'release' | 'resetSecondFactor' | 'remove'

interface StepWords {
  label: string
  icon: ComponentType<{ size?: number }>
  isDangerous?: boolean
  /** The consequence, told beforehand. */
  consequence: (name: string) => ReactNode
  done: (name: string) => string
}

const STEPS: Record<Step, StepWords> = {
  deactivate: {
    label: 'Deactivate',
    icon: IconUserOff,
    isDangerous: true,
    consequence: (name) =>
      `${name} is signed out everywhere at once and cannot sign in. Everything about them stays, and you can reactivate them.`,
    done: (name) => `${name} is deactivated.`
  },
  activate: {
    label: 'Reactivate',
    icon: IconUserCheck,
    consequence: (name) => `${name} can sign in again, with the role and groups they have.`,
    done: (name) => `${name} is active again.`
  },
  lock: {
    label: 'Lock out',
    icon: IconLock,
    isDangerous: true,
    consequence: (name) =>
      `${name} is signed out everywhere at once and cannot sign in until an administrator unlocks them. Their state stays as it is.`,
    done: (name) => `${name} is locked out.`
  },
  unlock: {
    label: 'Unlock',
    icon: IconLockOpen,
    consequence: (name) => `${name} can sign in again.`,
    done: (name) => `${name} is unlocked.`
  },
  release: {
    label: 'Release',
    icon: IconPlugConnectedX,
    consequence: (name) =>
      `${name} becomes an ordinary member, whose profile and role are changed here. Their identity provider takes them on again when it changes them.`,
    done: (name) => `${name} is an ordinary member now.`
  },
  resetSecondFactor: {
    label: 'Take the second factor away',
    icon: IconDeviceMobileOff,
    consequence: (name) =>
      `${name} signs in with the password alone, until they set it up again. Make sure that it is they who ask.`,
    done: (name) => `${name} has no second factor now.`
  },
  remove: {
    label: 'Remove',
    icon: IconTrash,
    isDangerous: true,
    consequence: (name) =>
      `${name}’s password, API tokens and Google link end for good, and their address is free to be invited elsewhere. If they are invited again, they choose a new password first.`,
    done: (name) => `${name} is removed.`
  }
}

interface Offer {
  step: Step
  /** Why it is not possible now, and what to do about that. */
  whyNot?: string
}

function offersFor({ user, groupCount, authority, access }: Details, isSelf: boolean): Offer[] {
  if (user.state === 'removed') return []
  const notYourself = isSelf ? 'Not yourself: ask another administrator.' : undefined
  const lockOffer: Offer = user.locked ? { step: 'unlock' } : { step: 'lock', whyNot: notYourself }
  const isManaged = Object.values(authority).some(({ kind }) => kind === 'connection')
  const releases: Offer[] = isManaged ? [{ step: 'release' }] : []
  const resets: Offer[] = access?.hasSecondFactor ? [{ step: 'resetSecondFactor', whyNot: ownIsInAccount(isSelf) }] : []
  const remove: Offer = { step: 'remove', whyNot: notYourself ?? whyNotRemove(user, groupCount) }
  if (user.state === 'deactivated') return [{ step: 'activate' }, lockOffer, ...releases, ...resets, remove]
  return [{ step: 'deactivate', whyNot: notYourself }, lockOffer, ...releases, ...resets, remove]
}

const ownIsInAccount = (isSelf: boolean) => (isSelf ? 'Take your own away in your account.' : undefined)

function whyNotRemove(user: User, groupCount: number): string | undefined {
  if (user.state === 'invited') return 'Still invited: revoke the invitation instead.'
  if (user.state !== 'deactivated') return 'Deactivate them first.'
  if (groupCount > 0) return `Still in ${counted(groupCount, 'group', 'groups')}: take them out first.`
  return undefined
}

interface UserActionsProps {
  details: Details
  isSelf: boolean
}

export function UserActions({ details, isSelf }: UserActionsProps) {
  const { user } = details
  const [asked, setAsked] = useState<Step>()
  const offers = offersFor(details, isSelf)
  if (offers.length === 0) return null
  return (
    <>
      <Menu position="bottom-end" width={290}>
        <Menu.Target>
          <Button variant="default" rightSection={<IconChevronDown size={16} />}>
            Actions
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {offers.map(({ step, whyNot }) => {
            const { label, icon, isDangerous } = STEPS[step]
            return (
              <MenuChoice
                key={step}
                label={label}
                icon={icon}
                isDangerous={isDangerous}
                whyNot={whyNot}
                onClick={() => setAsked(step)}
              />
            )
          })}
        </Menu.Dropdown>
      </Menu>
      {asked && <AskStep step={asked} user={user} onClose={() => setAsked(undefined)} />}
    </>
  )
}

function AskStep({ step, user, onClose }: { step: Step; user: User; onClose: () => void }) {
  const { label, isDangerous, consequence, done } = STEPS[step]
  const name = shownName(user)
  const onSuccess = ({ user: changed }: { user: User }) => {
    if (step === 'remove') peopleChanged()
    userChanged(changed)
    notifyDone(done(name))
    onClose()
  }
  const mutations = {
    deactivate: useMutation(trpc.users.deactivate.mutationOptions({ onSuccess })),
    activate: useMutation(trpc.users.activate.mutationOptions({ onSuccess })),
    lock: useMutation(trpc.users.lock.mutationOptions({ onSuccess })),
    unlock: useMutation(trpc.users.unlock.mutationOptions({ onSuccess })),
    resetSecondFactor: useMutation(trpc.users.resetSecondFactor.mutationOptions({ onSuccess })),
    release: useMutation(trpc.users.release.mutationOptions({ onSuccess })),
    remove: useMutation(trpc.users.remove.mutationOptions({ onSuccess }))
  }
  const { mutate, isPending, error, reset } = mutations[step]
  const take = () => mutate({ userId: user.id })
  return (
    <>
      <Confirm
        opened
        onClose={onClose}
        title={`${label} ${name}?`}
        action={label}
        isDangerous={isDangerous}
        isPending={isPending}
        error={reason(error) === 'unauthenticated' || needsConfirmation(error) ? undefined : error}
        onConfirm={take}
      >
        {consequence(name)}
      </Confirm>
      <AskAgain error={error} onConfirmed={take} onClose={reset} />
    </>
  )
}
