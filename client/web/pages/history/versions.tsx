// Versions, newest first, older ones on demand; each may be undone, or restored.
import { Button, Skeleton, Stack, Text } from '@mantine/core'
import type { InfiniteData, UseInfiniteQueryResult } from '@tanstack/react-query'
import { useState } from 'react'
import type { Outputs } from '../../api.ts'
import { Failure } from '../../parts/failures.tsx'
import { Time } from '../../parts/time.tsx'
import { memberFacts } from '../audit/member-changes.tsx'
import { labelOf } from '../audit/words.ts'
import { UndoDialog, type UndoScope } from './undo-dialog.tsx'
import { changesInWords, type Version } from './words.ts'
import './history.css'

interface VersionsProps {
  query: UseInfiniteQueryResult<InfiniteData<Outputs['history']['user']>, unknown>
  /** What restoring a version undoes: everything after it. */
  restoring?: (at: string) => UndoScope
  /** Whether each version says whom it is about. */
  isAboutMany?: boolean
}

interface Asked {
  scope: UndoScope
  title: string
}

export function Versions({ query, restoring, isAboutMany = false }: VersionsProps) {
  const [asked, setAsked] = useState<Asked>()
  const versions = query.data?.pages.flatMap((page) => page.items) ?? []
  return (
    <>
      {query.error && !query.data && <Failure error={query.error} retry={() => query.refetch()} />}
      {query.isPending && (
        <Stack gap="xs" role="status" aria-label="Loading the history">
          <Skeleton height={16} />
          <Skeleton height={16} />
          <Skeleton height={16} />
        </Stack>
      )}
      {query.data && versions.length === 0 && (
        <Text size="sm" c="dimmed">
          Nothing has happened yet.
        </Text>
      )}
      <ol className="timeline">
        {versions.map((version, index) => (
          <li key={version.id}>
            <span className="break">
              <strong>{labelOf(version.action)}</strong>
              {isAboutMany && version.targetName && <> {version.targetName}</>}
              {withColon([changesInWords(version), ...membershipsInWords(version)])}
            </span>
            <div className="version-foot">
              <span className="timeline-by">
                {version.connectionName ?? version.actorName ?? 'Muster'} · <Time value={version.at} />
              </span>
              <Actions
                version={version}
                isNewest={index === 0}
                restoring={restoring}
                onAsk={(scope, title) => setAsked({ scope, title })}
              />
            </div>
          </li>
        ))}
      </ol>
      {query.hasNextPage && (
        <Button
          variant="default"
          size="xs"
          mt="sm"
          loading={query.isFetchingNextPage}
          onClick={() => query.fetchNextPage()}
        >
          Show older
        </Button>
      )}
      <UndoDialog scope={asked?.scope} title={asked?.title ?? ''} onClose={() => setAsked(undefined)} />
    </>
  )
}

interface ActionsProps {
  version: Version
  isNewest: boolean
  restoring: VersionsProps['restoring']
  onAsk: (scope: UndoScope, title: string) => void
}

function Actions({ version, isNewest, restoring, onAsk }: ActionsProps) {
  const what = labelOf(version.action)
  const canRestore = restoring !== undefined && !isNewest
  if (!version.isUndoable && !canRestore) return null
  return (
    <span className="version-actions">
      {canRestore && (
        <Button
          variant="subtle"
          size="compact-xs"
          aria-label={`Restore to this moment: ${what}`}
          // keeps the version itself
          onClick={() => onAsk(restoring(justAfter(version.at)), 'Undo all that came later?')}
        >
          Restore to this moment
        </Button>
      )}
      {version.isUndoable && (
        <Button
          variant="subtle"
          size="compact-xs"
          aria-label={`Undo: ${what}`}
          onClick={() => onAsk({ eventId: version.id }, 'Undo this change?')}
        >
          Undo
        </Button>
      )}
    </span>
  )
}

const justAfter = (at: string) => new Date(new Date(at).getTime() + 1).toISOString()

const withColon = (parts: readonly string[]) => {
  const said = parts.filter(Boolean)
  return said.length > 0 ? `: ${said.join(', ')}` : ''
}

function membershipsInWords({ memberships, after }: Version): string[] {
  const own = memberships.map(({ change, groupName }) => `${change} ${groupName ?? 'a group that is deleted'}`)
  const members = memberFacts(after)
  if (own.length > 0 || !members) return own
  const { added, removed } = members
  return [
    added.count > 0 ? `${added.count.toLocaleString()} added` : '',
    removed.count > 0 ? `${removed.count.toLocaleString()} taken out` : ''
  ]
}
