// The kit's anchors and buttons as links of the router: typed paths, no reload.
import { Anchor, type AnchorProps, Button, type ButtonProps } from '@mantine/core'
import { createLink } from '@tanstack/react-router'
import { type AnchorHTMLAttributes, forwardRef } from 'react'

type AnchorAttributes<P> = P & Omit<AnchorHTMLAttributes<HTMLAnchorElement>, keyof P>

export const TextLink = createLink(
  forwardRef<HTMLAnchorElement, AnchorAttributes<AnchorProps>>((props, ref) => <Anchor ref={ref} {...props} />)
)

export const ButtonLink = createLink(
  forwardRef<HTMLAnchorElement, AnchorAttributes<ButtonProps>>((props, ref) => (
    <Button component="a" ref={ref} {...props} />
  ))
)
