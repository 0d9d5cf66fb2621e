// Undo: a preview of what it would do and refuse.
import { Button, Group, Modal, ScrollArea, Skeleton, Stack, Text } from '@mantine/core'
import { skipToken, useMutation, useQuery } from '@tanstack/react-query'
import { type Inputs, queryClient, trpc } from '../../api.ts'
import { Failure } from '../../parts/failures.tsx'
import { notifyDone } from '../../parts/notify.ts'
import { Time } from '../../parts/time.tsx'
import { fieldName } from '../audit/words.ts'
import { countsInWords, itemChanges, type UndoItem, type UndoReport } from './words.ts'
import './history.css'

export type UndoScope = Inputs['history']['undo']

interface UndoDialogProps {
  /** Undefined while the dialog is closed. */
  scope: UndoScope | undefined
  /** `Undo this change?` */
  title: string
  onClose: () => void
}

/** More items than this are counted. */
const SHOWN_ITEMS = 100

export function UndoDialog({ scope, title, onClose }: UndoDialogProps) {
  const preview = useQuery(trpc.history.preview.queryOptions(scope ?? skipToken, { staleTime: 0, gcTime: 0 }))
  const undo = useMutation(
    trpc.history.undo.mutationOptions({
      onSuccess: async (report) => {
        onClose()
        notifyDone(doneInWords(report))
        await queryClient.invalidateQueries()
      }
    })
  )
  const close = () => {
    undo.reset()
    onClose()
  }
  const isChange = preview.data !== undefined && changesAnything(preview.data)
  return (
    <Modal opened={scope !== undefined} onClose={close} title={title} size="lg">
      <Stack gap="md">
        {preview.isFetching && !preview.data && (
          <Stack gap="xs" role="status" aria-label="Looking what it would do">
            <Skeleton height={16} />
            <Skeleton height={16} />
          </Stack>
        )}
        {preview.error && <Failure error={preview.error} retry={() => preview.refetch()} />}
        {preview.data && <Preview report={preview.data} />}
        {undo.error && <Failure error={undo.error} />}
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={close} data-autofocus>
            {isChange ? 'Cancel' : 'Close'}
          </Button>
          {isChange && (
            <Button onClick={() => scope && undo.mutate(scope)} loading={undo.isPending}>
              Undo
            </Button>
          )}
        </Group>
      </Stack>
    </Modal>
  )
}

function doneInWords({ undoId, counts }: UndoReport): string {
  if (!undoId) return 'There was nothing left to undo.'
  const refused = counts.refused > 0 ? `; ${counts.refused.toLocaleString()} could not be undone` : ''
  return `Undone: ${countsInWords(counts)}${refused}.`
}

const changesAnything = ({ counts: { users, groups, memberships } }: UndoReport) => users + groups + memberships > 0

function Preview({ report }: { report: UndoReport }) {
  const { counts, items, isComplete } = report
  const refused = items.filter(({ conflicts }) => conflicts.length > 0)
  const changed = items.filter(({ changes }) => changes.length > 0)
  const rest = counts.users + counts.groups + counts.memberships - Math.min(changed.length, SHOWN_ITEMS)
  return (
    <>
      <Text size="sm">
        {changesAnything(report)
          ? `This changes ${countsInWords(counts)}. It can be undone too. Passwords, sessions and tokens do not come back.`
          : counts.refused > 0
            ? 'None of it can be undone any more.'
            : 'There is nothing to undo: all of it is as it was before.'}
      </Text>
      {refused.length > 0 && (
        <section aria-label="Not undone">
          <Text size="sm" fw={600}>
            Not undone, because of what happened since ({counts.refused.toLocaleString()})
          </Text>
          <Items items={refused} row={(item) => <Conflicts item={item} />} isComplete={isComplete} />
        </section>
      )}
      {changed.length > 0 && (
        <section aria-label="What changes">
          <Text size="sm" fw={600}>
            What changes
          </Text>
          <Items items={changed} row={(item) => itemChanges(item).join('; ')} isComplete={rest <= 0} rest={rest} />
        </section>
      )}
    </>
  )
}

interface ItemsProps {
  items: readonly UndoItem[]
  row: (item: UndoItem) => React.ReactNode
  isComplete: boolean
  rest?: number
}

const Items = ({ items, row, isComplete, rest }: ItemsProps) => (
  <ScrollArea.Autosize mah={260} viewportProps={{ tabIndex: 0 }}>
    <ul className="undo-items">
      {items.slice(0, SHOWN_ITEMS).map((item) => (
        <li key={`${item.kind} ${item.id} ${item.group?.id ?? ''}`}>
          <strong>{item.name ?? item.id}</strong> {row(item)}
        </li>
      ))}
      {!isComplete && <li className="dimmed">{rest ? `and ${rest.toLocaleString()} more` : 'and more'}</li>}
    </ul>
  </ScrollArea.Autosize>
)

const Conflicts = ({ item: { conflicts, group } }: { item: UndoItem }) =>
  conflicts.map(({ attribute, detail, by }, index) => (
    <span key={attribute}>
      {index > 0 && '; '}
      {attribute === 'membership' ? (group?.name ?? 'membership') : fieldName(attribute)}: {detail}
      {by && (
        <>
          , by {by.name ?? 'Muster'} <Time value={by.at} />
        </>
      )}
    </span>
  ))
