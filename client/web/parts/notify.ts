// Short messages in the corner: for success, and for failures without a place on the page.
import { notifications } from '@mantine/notifications'
import { wordsFor } from './failures.tsx'

/** @param id messages with the same id are shown once */
export const notifyDone = (message: string, id?: string) =>
  notifications.show({ id, message, color: 'pine', autoClose: 4_000 })

export const notifyFailure = (error: unknown) => notifyNotDone(wordsFor(error))

export const notifyNotDone = (message: string) =>
  notifications.show({ title: 'That did not work', message, color: 'red', autoClose: 10_000 })
