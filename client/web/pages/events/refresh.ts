// What an open page shows of streams is read again now and then, because nobody tells it of deliveries.
import { queryClient, trpc } from '../../api.ts'

export const REFRESHED = { refetchInterval: 10_000 }

export const refresh = () => queryClient.invalidateQueries(trpc.eventStreams.pathFilter())
