'use strict'

/** A longer name is compared with nothing: comparing takes as much time as both are long. */
const LONGEST = 64

/**
 * The name that is most like this one, if any is so much like it that it is probably meant: at most a third of the
 * letters are others, missing, too many or in the wrong order.
 */
function nearest(given, names) {
  if (given.length > LONGEST) return undefined
  const wanted = given.toLowerCase()
  let [best, least] = [undefined, Math.max(wanted.length, 3) / 3]
  for (const name of names) {
    const distance = distanceOf(wanted, name.toLowerCase())
    if (distance <= least && (best === undefined || distance < least)) [best, least] = [name, distance]
  }
  return best
}

/** How many letters have to be changed, added, left out or swapped with the next (optimal string alignment). */
function distanceOf(a, b) {
  let [beforeLast, last] = [[], Array.from({ length: b.length + 1 }, (_, at) => at)]
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      row[j] = Math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1))
      if (a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) row[j] = Math.min(row[j], beforeLast[j - 2] + 1)
    }
    ;[beforeLast, last] = [last, row]
  }
  return last[b.length]
}

module.exports = { nearest }
