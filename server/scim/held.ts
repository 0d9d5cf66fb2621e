// What the brake against mass deprovisioning keeps from happening is noted here, whichever way a request came.
import { HeldBack, recordHeld } from '../provisioning/brake.ts'
import type { ScimContext } from './context.ts'

/** Runs an operation, and notes it for administrators where it is held; it is refused all the same. */
export async function notingHeld<T>(context: ScimContext, operation: () => Promise<T> | T): Promise<T> {
  try {
    return await operation()
  } catch (error) {
    if (error instanceof HeldBack) await recordHeld(context, error)
    throw error
  }
}
