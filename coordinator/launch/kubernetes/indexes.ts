/** The numbers of a Job's list of indexes: `1,3-5` has 1, 3, 4 and 5. */
export function indexesIn(text: string): number[] {
  if (text === '') return [];
  return text.split(',').flatMap((part) => {
    const [first = Number.NaN, last = first] = part.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}
