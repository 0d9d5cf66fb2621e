// The link of a row in a long list: a plain anchor. The router's Link subscribes to every change of the address and
// resolves its path at each render, which a fast-scrolling list would pay for dozens of times a frame.
import { useRouter } from '@tanstack/react-router'
import type { MouseEvent, ReactNode } from 'react'

interface RowLinkProps {
  /** A path of this page, such as `/users/018f…`. */
  to: string
  className?: string
  children: ReactNode
}

/** Covers its row (class `row`). A click with a modifier key is left to the browser: a new tab or window. */
export function RowLink({ to, className = '', children }: RowLinkProps) {
  const router = useRouter()
  const follow = (event: MouseEvent) => {
    if (event.defaultPrevented || event.button !== 0) return
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    event.preventDefault()
    router.history.push(to)
  }
  return (
    <a href={to} onClick={follow} className={`row-link ${className}`}>
      {children}
    </a>
  )
}
