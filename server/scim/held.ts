// What the brake against mass deprovisioning keeps from happening, and who waits for an administrator's judgement, is
// noted here, whichever way a request came.
import { ArrivalConflict, recordConflict } from '../provisioning/arrival-conflicts.ts'
import { HeldBack, recordHeld } from '../provisioning/brake.ts'
import type { ScimContext } from './context.ts'

/** Notes a refusal for administrators where they have to decide. @throws the refusal all the same */
export async function noteHeld(context: ScimContext, refusal: unknown): Promise<never> {
  if (refusal instanceof HeldBack) await recordHeld(context, refusal)
  if (refusal instanceof ArrivalConflict) await recordConflict(context, refusal)
  throw refusal
}
