// Short messages in the corner: for what went well, and for failures that have no place of their own on the page.
import { notifications } from '@mantine/notifications'
import { wordsFor } from './failures.tsx'

export const notifyDone = (message: string) => notifications.show({ message, color: 'pine', autoClose: 4_000 })

export const notifyFailure = (error: unknown) =>
  notifications.show({
    title: 'That did not work',
    message: wordsFor(error),
    color: 'red',
    autoClose: 10_000
  })
