// Open pages reload streams regularly, because no live event reports deliveries.
import { queryClient, trpc } from '../../api.ts'

export const REFRESHED = { refetchInterval: 10_000 }

export const refresh = () => queryClient.invalidateQueries(trpc.eventStreams.pathFilter())
