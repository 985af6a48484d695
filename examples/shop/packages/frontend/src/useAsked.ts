import { useCallback, useEffect, useState } from 'react';

/** What was asked: nothing yet, an answer, or why there is none (the last answer is kept). */
export interface Asked<T> {
  value: T | undefined;
  error: string | undefined;
  again: () => Promise<void>;
}

/** Asks at once, and again on request. `ask` must be a function that stays the same. */
export function useAsked<T>(ask: () => Promise<T>): Asked<T> {
  const [asked, setAsked] = useState<Pick<Asked<T>, 'value' | 'error'>>({ value: undefined, error: undefined });
  const again = useCallback(
    () =>
      ask().then(
        (value) => setAsked({ value, error: undefined }),
        (reason: unknown) => setAsked(({ value }) => ({ value, error: reason instanceof Error ? reason.message : String(reason) })),
      ),
    [ask],
  );
  useEffect(() => {
    void again();
  }, [again]);
  return { ...asked, again };
}
