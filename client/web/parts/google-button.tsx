import { Button } from '@mantine/core'
import { IconBrandGoogle } from '@tabler/icons-react'
import { useMutation } from '@tanstack/react-query'
import { Failure } from './failures.tsx'

const LOOK = {
  variant: 'default',
  leftSection: <IconBrandGoogle size={18} />,
  children: 'Continue with Google'
} as const

/** Leads to Google and back. */
export const GoogleButton = () => <Button component="a" href="/auth/google" {...LOOK} />

/** The same, accepting an invitation. Its token is sent in a body: URLs are recorded in too many places. */
export function AcceptWithGoogle({ invitation }: { invitation: string }) {
  const begin = useMutation({
    mutationFn: () => beginWith(invitation),
    onSuccess: (url) => window.location.assign(url)
  })
  return (
    <>
      {begin.error && <Failure error={begin.error} />}
      <Button onClick={() => begin.mutate()} loading={begin.isPending} {...LOOK} />
    </>
  )
}

async function beginWith(invitation: string): Promise<string> {
  const answer = await fetch('/auth/google', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ invitation })
  })
  if (!answer.ok) throw new Error(`HTTP ${answer.status}`)
  return ((await answer.json()) as { url: string }).url
}
