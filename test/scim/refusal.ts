// What an error says, as one string for tables of cases.
import { AppError } from '../../server/errors.ts'

/** `invalidValue: userName is required`, or `accepted`. Throws anything but a 400 of SCIM. */
export function refusal(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof AppError && error.code === 'invalid' && error.scimType) {
      return `${error.scimType}: ${error.message}`
    }
    throw error
  }
  return 'accepted'
}
