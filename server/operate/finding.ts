// What a check of the doctor found.

export interface Finding {
  /** What was checked: `database`, `mail`, … */
  check: string
  /** `warning`: works, but may not be intended. */
  state: 'ok' | 'warning' | 'failed'
  /** What was found. */
  found: string
  /** What to do about it; null for nothing. */
  mend: string | null
}

export type Outcome = Omit<Finding, 'check'>

export const ok = (found: string): Outcome => ({ state: 'ok', found, mend: null })
export const warning = (found: string, mend: string): Outcome => ({ state: 'warning', found, mend })
export const failed = (found: string, mend: string): Outcome => ({ state: 'failed', found, mend })
