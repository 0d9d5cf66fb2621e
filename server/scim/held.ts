// Records what needs an administrator's decision, whichever way the request came: changes that the brake against mass
// deprovisioning held back, and conflicts on arrival.
import { ArrivalConflict, recordConflict } from '../provisioning/arrival-conflicts.ts'
import { HeldBack, recordHeld } from '../provisioning/brake.ts'
import type { ScimContext } from './context.ts'

/** Records a refusal that administrators have to decide on. @throws the refusal in any case */
export async function noteHeld(context: ScimContext, refusal: unknown): Promise<never> {
  if (refusal instanceof HeldBack) await recordHeld(context, refusal)
  if (refusal instanceof ArrivalConflict) await recordConflict(context, refusal)
  throw refusal
}
