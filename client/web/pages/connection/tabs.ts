// The tabs of a connection's page in order; the first one is shown where the address names none.
import type { ComponentType } from 'react'
import type { Outputs } from '../../api.ts'
import { BrakeTab } from './brake.tsx'
import { HistoryTab } from './history-tab.tsx'
import { LogTab } from './log.tsx'
import { Overview } from './overview.tsx'
import { ShadowTab } from './shadow-tab.tsx'
import { TrialTab } from './trial-tab.tsx'

export type ConnectionDetails = Outputs['scimConnections']['get']['connection']

export interface TabProps {
  connection: ConnectionDetails
}

interface Tab {
  id: string
  label: string
  Content: ComponentType<TabProps>
}

export const TABS: readonly Tab[] = [
  { id: 'overview', label: 'Overview', Content: Overview },
  { id: 'brake', label: 'Brake', Content: BrakeTab },
  { id: 'history', label: 'History', Content: HistoryTab },
  { id: 'log', label: 'Log', Content: LogTab },
  { id: 'test', label: 'Test', Content: TrialTab }
]

/** Only for a connection in shadow mode. */
export const SHADOW_TAB: Tab = { id: 'shadow', label: 'Shadow', Content: ShadowTab }
