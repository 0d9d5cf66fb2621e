import { Button } from '@mantine/core'
import { IconBrandGoogle } from '@tabler/icons-react'

/** Leads away from the page and back; with an invitation's token, accepting it. */
export function GoogleButton({ invitation }: { invitation?: string }) {
  const query = invitation ? `?invitation=${encodeURIComponent(invitation)}` : ''
  return (
    <Button component="a" href={`/auth/google${query}`} variant="default" leftSection={<IconBrandGoogle size={18} />}>
      Continue with Google
    </Button>
  )
}
