import { Button, NativeSelect, Skeleton, Stack, Text, TextInput } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { IconPlus } from '@tabler/icons-react'
import { useInfiniteQuery, useMutation } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { type Outputs, queryClient, trpc } from '../../api.ts'
import { AskAgain, needsConfirmation } from '../../parts/ask-again.tsx'
import { Confirm } from '../../parts/confirm.tsx'
import { CopyOnce, OnceDialog } from '../../parts/copy-once.tsx'
import { DialogButtons } from '../../parts/dialog-buttons.tsx'
import { Failure } from '../../parts/failures.tsx'
import { notifyDone } from '../../parts/notify.ts'
import { Section } from '../../parts/section.tsx'
import { RoleBadge } from '../../parts/state-badge.tsx'
import { Time } from '../../parts/time.tsx'
import { listOptions } from '../../parts/virtual-list.tsx'
import { type Role, roleOptions } from '../../roles.ts'
import { useMe } from '../../shell.tsx'

type ApiToken = Outputs['apiTokens']['list']['items'][number]

export function ApiTokensSection() {
  const me = useMe()
  const tokens = useInfiniteQuery(trpc.apiTokens.list.infiniteQueryOptions({ limit: 50 }, listOptions))
  const [isMaking, { open, close }] = useDisclosure()
  const items = tokens.data?.pages.flatMap((page) => page.items) ?? []
  return (
    <Section
      title="API tokens"
      description={
        me.role === 'administrator'
          ? 'A backend calls this service with one. As an administrator you see everybody’s.'
          : 'A backend calls this service with one, in your name.'
      }
      action={
        <Button size="xs" variant="default" leftSection={<IconPlus size={16} />} onClick={open}>
          New token
        </Button>
      }
    >
      {tokens.error && !tokens.data && <Failure error={tokens.error} retry={() => tokens.refetch()} />}
      {tokens.isPending && <Skeleton height={40} />}
      {tokens.data && items.length === 0 && (
        <Text size="sm" c="dimmed">
          No token yet.
        </Text>
      )}
      <ul className="things">
        {items.map((token) => (
          <TokenItem key={token.id} token={token} isOwn={token.owner.id === me.user?.id} />
        ))}
      </ul>
      {tokens.hasNextPage && (
        <Button variant="default" size="xs" loading={tokens.isFetchingNextPage} onClick={() => tokens.fetchNextPage()}>
          Show older
        </Button>
      )}
      {isMaking && <NewTokenDialog onClose={close} />}
    </Section>
  )
}

function TokenItem({ token, isOwn }: { token: ApiToken; isOwn: boolean }) {
  const [isAsking, { open, close }] = useDisclosure()
  const revoke = useMutation(
    trpc.apiTokens.revoke.mutationOptions({
      onSuccess: () => {
        void queryClient.invalidateQueries(trpc.apiTokens.list.pathFilter())
        notifyDone(`The token ${token.name} is revoked.`)
      }
    })
  )
  return (
    <li className="thing">
      <div>
        <div className="thing-name">
          {token.name} <RoleBadge role={token.role} />
        </div>
        <div className="thing-facts">
          {!isOwn && `${token.owner.name}’s; `}made <Time value={token.createdAt} />; last used{' '}
          <Time value={token.lastUsedAt} empty="never" />; {token.expiresAt ? 'expires ' : 'does not expire'}
          {token.expiresAt && <Time value={token.expiresAt} />}
        </div>
      </div>
      <Button size="xs" variant="default" onClick={open} aria-label={`Revoke the token ${token.name}`}>
        Revoke
      </Button>
      <Confirm
        opened={isAsking}
        onClose={close}
        title={`Revoke the token ${token.name}?`}
        action="Revoke"
        isDangerous
        isPending={revoke.isPending}
        error={revoke.error}
        onConfirm={() => revoke.mutate({ apiTokenId: token.id })}
      >
        Whatever calls with it is refused from now on.
      </Confirm>
    </li>
  )
}

const LIFETIMES = [
  { value: '30', label: '30 days' },
  { value: '90', label: '90 days' },
  { value: '365', label: 'A year' },
  { value: '', label: 'No expiry' }
]
const DAY_MS = 86_400_000

function NewTokenDialog({ onClose }: { onClose: () => void }) {
  const me = useMe()
  const [name, setName] = useState('')
  const [role, setRole] = useState<Role>(me.role)
  const [days, setDays] = useState('90')
  const create = useMutation(
    trpc.apiTokens.create.mutationOptions({
      onSuccess: () => void queryClient.invalidateQueries(trpc.apiTokens.list.pathFilter())
    })
  )
  const make = () => {
    const expiresAt = days ? new Date(Date.now() + Number(days) * DAY_MS).toISOString() : undefined
    create.mutate({ name: name.trim(), role, ...(expiresAt && { expiresAt }) })
  }
  const submit = (event: FormEvent) => {
    event.preventDefault()
    make()
  }
  return (
    <>
      <OnceDialog
        opened
        onClose={onClose}
        title={create.data ? `Token ${create.data.apiToken.name}` : 'New API token'}
        isShown={create.data !== undefined}
      >
        {create.data ? (
          <CopyOnce label="API token" value={create.data.token} onCopied={onClose} />
        ) : (
          <form onSubmit={submit}>
            <Stack gap="md">
              {create.error && !needsConfirmation(create.error) && <Failure error={create.error} />}
              <TextInput
                label="Name"
                description="What it is for, such as Payroll sync"
                required
                withAsterisk={false}
                maxLength={100}
                value={name}
                onChange={(event) => setName(event.currentTarget.value)}
                data-autofocus
              />
              <NativeSelect
                label="Role"
                description="The least that is enough"
                data={roleOptions(me.rolesYouMayGive)}
                value={role}
                onChange={(event) => setRole(event.currentTarget.value as Role)}
              />
              <NativeSelect
                label="Expires after"
                data={LIFETIMES}
                value={days}
                onChange={(event) => setDays(event.currentTarget.value)}
              />
              <DialogButtons onClose={onClose} isPending={create.isPending}>
                Make token
              </DialogButtons>
            </Stack>
          </form>
        )}
      </OnceDialog>
      <AskAgain error={create.error} onConfirmed={make} onClose={() => create.reset()} />
    </>
  )
}
