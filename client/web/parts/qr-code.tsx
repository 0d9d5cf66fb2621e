// A QR code, dark on light even on a dark page: many cameras read no other.
import { encode } from 'uqr'

/** Light modules around it, required by ISO/IEC 18004. */
const BORDER = 4
/** CSS pixels; an `otpauth:` URL takes some 45 modules, so each has four. */
const SIZE = 184

/** @param label what the code is for, for people who cannot see it */
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
