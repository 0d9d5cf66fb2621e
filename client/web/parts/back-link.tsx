// The link back to the list, above a page's title.
import { IconArrowLeft } from '@tabler/icons-react'
import { TextLink } from './link.tsx'

interface BackLinkProps {
  to: '/users' | '/groups' | '/provisioning' | '/events'
  /** The list's name. */
  children: string
}

export const BackLink = ({ to, children }: BackLinkProps) => (
  <TextLink to={to} size="sm" className="back">
    <IconArrowLeft size={14} aria-hidden /> {children}
  </TextLink>
)
