/** Colours of classes: one ramp of growing lightness contrast, told apart with any colour vision (ColorBrewer's YlGnBu). */
const RAMP = ["#ffffd9", "#edf8b1", "#c7e9b4", "#7fcdbb", "#41b6c4", "#1d91c0", "#225ea8", "#253494", "#081d58"];

/** Colours from the least class to the greatest; much stands out from the page, so on dark it is light. */
export function classColours(classes: number, dark: boolean): string[] {
  const ramp = dark ? RAMP.slice(1).toReversed() : RAMP.slice(1);
  return Array.from({ length: classes }, (_, index) => {
    const place = classes === 1 ? ramp.length - 2 : Math.round((index * (ramp.length - 1)) / (classes - 1));
    return ramp[place] as string;
  });
}

/** Postal codes that do not count: hardly more than the page behind them. */
export const outsideColour = (dark: boolean) => (dark ? "#151b22" : "#f3f5f7");

/** Postal codes without paystats. */
export const noneColour = (dark: boolean) => (dark ? "#2a323b" : "#e3e7eb");
