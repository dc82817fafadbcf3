// Dates as mail writes them (RFC 5322 3.3), always in UTC. Used for Received, Resent-Date and reports.

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** "Sat, 21 Nov 2026 01:03:48 +0000 (UTC)". An invalid date is written as the epoch. */
export function mailDate(at: Date): string {
  const date = Number.isNaN(at.getTime()) ? new Date(0) : at;
  const two = (n: number): string => String(n).padStart(2, "0");
  const day = `${DAYS[date.getUTCDay()]}, ${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}`;
  const time = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()].map(two).join(":");
  return `${day} ${date.getUTCFullYear()} ${time} +0000 (UTC)`;
}
