// What the brake against mass deprovisioning keeps from happening, and who waits for an administrator's judgement, is
// noted here, whichever way a request came.
import { ArrivalConflict, recordConflict } from '../provisioning/arrival-conflicts.ts'
import { HeldBack, recordHeld } from '../provisioning/brake.ts'
import type { ScimContext } from './context.ts'

/** Runs an operation, and notes it for administrators where they have to decide; it is refused all the same. */
export async function notingHeld<T>(context: ScimContext, operation: () => Promise<T> | T): Promise<T> {
  try {
    return await operation()
  } catch (error) {
    if (error instanceof HeldBack) await recordHeld(context, error)
    if (error instanceof ArrivalConflict) await recordConflict(context, error)
    throw error
  }
}
