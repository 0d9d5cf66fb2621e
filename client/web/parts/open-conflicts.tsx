// How many people from identity providers wait for a decision.
import { VisuallyHidden } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { trpc } from '../api.ts'
import { Mark } from './state-badge.tsx'

/** For administrators; 0 while unknown. */
function useOpenConflicts(): number {
  const { data } = useQuery(trpc.scimConflicts.count.queryOptions(undefined, { refetchInterval: 60_000 }))
  return data?.open ?? 0
}

/** Shows nothing where nobody waits. */
export function OpenConflicts() {
  const open = useOpenConflicts()
  if (open === 0) return null
  return (
    <Mark tone="wait">
      {open.toLocaleString()}
      <VisuallyHidden> to decide</VisuallyHidden>
    </Mark>
  )
}
