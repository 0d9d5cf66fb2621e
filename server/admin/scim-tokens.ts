import { router } from './trpc.ts'

export const scimTokensRouter = router({})
