export { useConnection, useRoom, useRoomSelector, useStore } from "./hooks.js";
export { AntiphonProvider, useAntiphon } from "./provider.js";
