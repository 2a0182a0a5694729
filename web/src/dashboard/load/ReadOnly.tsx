import { useMessages } from "../locale";
import { words } from "./words";

/** Said once, where a caller who may only look would else miss what others find there. */
export function ReadOnly() {
  const say = useMessages(words);
  return <p className="warning">{say.readOnly}</p>;
}
