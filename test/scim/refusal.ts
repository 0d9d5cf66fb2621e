// What an error says, as one string that a table of cases can match.
import { AppError } from '../../server/errors.ts'

/** `invalidValue: userName is required`, or `accepted`; anything but a 400 of the SCIM protocol is thrown on. */
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
