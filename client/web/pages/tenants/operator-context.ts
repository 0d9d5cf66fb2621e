import { createContext, use } from 'react'
import type { OperatorConnection } from './operator.ts'

export interface Operator extends OperatorConnection {
  /** @param refused whether the service no longer takes the token */
  signOut: (refused?: boolean) => void
}

export const OperatorContext = createContext<Operator | undefined>(undefined)

export function useOperator(): Operator {
  const operator = use(OperatorContext)
  if (!operator) throw new Error('useOperator is for what stands below the operator’s page')
  return operator
}
