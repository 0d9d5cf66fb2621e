// Muster's theme: pine green on warm neutrals, one type scale, calm surfaces in light and dark.
import { createTheme, type MantineColorsTuple, Modal, Notification } from '@mantine/core'

const pine: MantineColorsTuple = [
  '#e8f7f3',
  '#d3ece5',
  '#a8d9cc',
  '#79c5b1',
  '#52b49a',
  '#3aaa8c',
  '#249a7b',
  '#157a62',
  '#0f6b5c',
  '#075346'
]

/** Greys of the dark scheme, tinted with green. */
const dark: MantineColorsTuple = [
  '#e6ebe9',
  '#c4ccc9',
  '#a3aeaa',
  '#7d8985',
  '#4a5451',
  '#3a4240',
  '#1f2524',
  '#1b201f',
  '#161a19',
  '#101413'
]

export const theme = createTheme({
  primaryColor: 'pine',
  primaryShade: { light: 8, dark: 7 },
  colors: { pine, dark },
  autoContrast: true,
  luminanceThreshold: 0.35,
  defaultRadius: 'md',
  cursorType: 'pointer',
  respectReducedMotion: true,
  fontFamily: 'Inter, "Segoe UI Variable", "Segoe UI", system-ui, -apple-system, "Helvetica Neue", sans-serif',
  components: {
    Modal: Modal.extend({
      classNames: { title: 'dialog-title' },
      defaultProps: { centered: true, closeButtonProps: { 'aria-label': 'Close' } }
    }),
    Notification: Notification.extend({ defaultProps: { closeButtonProps: { 'aria-label': 'Dismiss' } } })
  },
  headings: {
    fontWeight: '650',
    sizes: { h1: { fontSize: '1.625rem', lineHeight: '1.25' }, h2: { fontSize: '1.2rem' }, h3: { fontSize: '1rem' } }
  }
})

/** This answer's nonce, which the page's Content-Security-Policy requires of every style element. */
export const styleNonce = () => document.querySelector<HTMLMetaElement>('meta[name=csp-nonce]')?.content ?? ''
