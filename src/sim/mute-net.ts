import type { Order, SimNet } from "./machine.ts";

/** A board behind this net sends nothing more from the first order on that `from` picks; what it hears is lost on it. */
export function muteNet(net: SimNet, from: (order: Order) => boolean): SimNet {
  return {
    async attach(board) {
      let mute = false;
      const wire = await net.attach({
        mac: board.mac,
        hear: (frame) => {
          if (!mute) board.hear(frame);
        },
      });
      return {
        ...wire,
        act(order) {
          mute ||= from(order);
          return mute ? undefined : wire.act(order);
        },
      };
    },
  };
}
