import { type RefObject, useLayoutEffect } from "react";

/** Where something that has the focus leaves the page, the heading of the page gets it, or its main part: keys go on from there. */
export function useFocusHandedOn(part: RefObject<HTMLElement | null>) {
  useLayoutEffect(() => {
    const element = part.current;
    return () => {
      if (element?.contains(document.activeElement)) {
        const heir = document.querySelector<HTMLElement>("main h1[tabindex]") ?? document.getElementById("main");
        heir?.focus({ preventScroll: true });
      }
    };
  }, [part]);
}
