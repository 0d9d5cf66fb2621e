// A QR code, dark on light also where the page is dark: many cameras read no other.
import { encode } from 'uqr'

/** Modules of light around it, which ISO/IEC 18004 asks for. */
const BORDER = 4
/** CSS pixels; an `otpauth:` address takes some 45 modules, so each has four. */
const SIZE = 184

/** @param label what it says, for whoever does not see it */
export function QrCode({ text, label }: { text: string; label: string }) {
  const { size, data } = encode(text, { ecc: 'M', border: BORDER })
  const dark = data.flatMap((row, y) => row.flatMap((isDark, x) => (isDark ? [`M${x} ${y}h1v1h-1z`] : [])))
  return (
    <svg role="img" aria-label={label} width={SIZE} height={SIZE} viewBox={`0 0 ${size} ${size}`}>
      <rect width={size} height={size} fill="#fff" />
      <path d={dark.join('')} fill="#000" shapeRendering="crispEdges" />
    </svg>
  )
}
