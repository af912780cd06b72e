//! Steps on WebSockets.

use std::time::{Duration, Instant};

use super::run::{Effort, OpenSocket, Runner, Stopped, stop};
use crate::model::{Act, Exchange, Request, SocketEvent, Stop, StopKind};
use crate::scenario::{Step, StreamAct, StreamMessage, StreamStep};
use crate::wire::{Message, Opening, Socket};

/// What is there already is seen in this time.
const LEAST: Duration = Duration::from_millis(1);
/// A message that follows another has at least this long, when the time since the last act is used up.
const SETTLE: Duration = Duration::from_millis(250);
/// How long a pong may take.
const PONG: Duration = Duration::from_secs(2);

impl Runner<'_> {
    pub(super) async fn stream(&mut self, step: &Step, stream: &StreamStep) -> Stopped {
        let (exchange, event) = match &stream.act {
            StreamAct::Open(send, copies) => {
                let (request, environment) = self.request(send, &step.label)?;
                let started = self.moment().await;
                let opening = self.engine.wires.open(&request).await;
                let (reply, event, socket) = match opening {
                    Opening::Opened(response, socket) => {
                        (Ok(response.clone()), SocketEvent::Opened(response), Some(socket))
                    }
                    Opening::Refused(response) => {
                        (Ok(response.clone()), SocketEvent::Refused(response), None)
                    }
                    Opening::Failed(error) => {
                        self.give_up(&error, &step.label)?;
                        (Err(error.clone()), SocketEvent::Failed(error), None)
                    }
                };
                let mut exchange = self.exchange(
                    send,
                    environment,
                    request,
                    reply,
                    crate::model::Timing::default(),
                );
                exchange.server_now = started;
                if let Some(socket) = socket {
                    let copies = self.copies(&exchange.request, *copies).await;
                    let copies = match copies {
                        Ok(copies) => copies,
                        Err(event) => return self.finish_stream(step, stream, exchange, event),
                    };
                    let open = OpenSocket { socket, copies, handshake: exchange.clone() };
                    self.sockets.insert(stream.connection.clone(), open);
                } else {
                    self.sockets.remove(&stream.connection);
                    self.refused.insert(stream.connection.clone(), exchange.clone());
                }
                (exchange, event)
            }
            act => self.on_open(step, &stream.connection, act).await?,
        };
        self.finish_stream(step, stream, exchange, event)
    }

    fn finish_stream(
        &mut self,
        step: &Step,
        stream: &StreamStep,
        exchange: Exchange,
        event: SocketEvent,
    ) -> Stopped {
        // Nothing is kept of a socket's acts before this, so that what was known is what is known.
        let (known, operation) = (self.known(), exchange.operation.clone());
        let connection = stream.connection.clone();
        let act = Act::Socket { connection, exchange: Box::new(exchange), event };
        self.finish(step, act, known, Some(&operation))
    }

    /// The further connections of a name, or what became of the one that failed.
    async fn copies(&self, request: &Request, count: u32) -> Result<Vec<Socket>, SocketEvent> {
        // Fewer for a quick run; never more, because descriptors are bounded.
        let count = match self.engine.settings.effort {
            Effort::Quick => Effort::Quick.scale(count),
            Effort::Normal | Effort::Thorough => count,
        };
        let mut copies = Vec::new();
        for _ in 1..count {
            match self.engine.wires.open(request).await {
                Opening::Opened(_, socket) => copies.push(socket),
                Opening::Refused(response) => return Err(SocketEvent::Refused(response)),
                Opening::Failed(error) => return Err(SocketEvent::Failed(error)),
            }
        }
        Ok(copies)
    }

    async fn on_open(
        &mut self,
        step: &Step,
        connection: &str,
        act: &StreamAct,
    ) -> Result<(Exchange, SocketEvent), Stop> {
        let message = match act {
            StreamAct::Transmit(message) => Some(self.message(step, message)?),
            _ => None,
        };
        let Some(open) = self.sockets.get_mut(connection) else {
            let ended =
                SocketEvent::Closed { code: None, reason: "the handshake was refused".to_owned() };
            let reason = format!("the connection `{connection}` was never opened");
            let exchange = self.refused.get(connection).cloned();
            return exchange
                .map(|exchange| (exchange, ended))
                .ok_or_else(|| stop(&step.label, StopKind::Prerequisite, reason));
        };
        let event = match act {
            StreamAct::Close(code) => open.socket.close(*code).await,
            StreamAct::Ping(payload) => open.socket.ping(payload, PONG).await,
            StreamAct::Receive(within) => {
                // All that wait for what the same act caused share the time, copies and other connections alike: a
                // thousand silent ones must not take a thousand times as long.
                let until = self.caused + *within;
                let left = |least| until.saturating_duration_since(Instant::now()).max(least);
                let mut event = open.socket.receive(left(SETTLE.min(*within))).await;
                for copy in &mut open.copies {
                    let left = left(LEAST);
                    event = livelier(event, copy.receive(left).await);
                }
                event
            }
            StreamAct::Open(..) | StreamAct::Transmit(_) => match message {
                // That a frame can no longer be sent shows on the next receive.
                Some(message) => match open.socket.transmit(message).await {
                    Ok(()) => SocketEvent::Transmitted,
                    Err(error) => SocketEvent::Failed(error),
                },
                None => SocketEvent::Silent,
            },
        };
        let mut exchange = open.handshake.clone();
        exchange.server_now = self.server_now;
        Ok((exchange, event))
    }

    fn message(&self, step: &Step, message: &StreamMessage) -> Result<Message, Stop> {
        let scope = self.scope();
        let failed = |error: crate::source::RenderError| self.stopped(step, &error.to_string());
        Ok(match message {
            StreamMessage::Binary(bytes) => Message::Binary(bytes.clone()),
            StreamMessage::Fragments(parts) => {
                let parts: Result<Vec<String>, _> =
                    parts.iter().map(|part| part.text(&scope)).collect();
                Message::Fragments(parts.map_err(failed)?)
            }
            StreamMessage::Json(json) => {
                Message::Text(json.fill(&scope).map_err(failed)?.to_string())
            }
            StreamMessage::Unmasked(template) => {
                Message::Unmasked(template.text(&scope).map_err(failed)?)
            }
            StreamMessage::Text(template) => Message::Text(template.text(&scope).map_err(failed)?),
        })
    }
}

/// Of two events the one of the connection that is further from its end.
fn livelier(one: SocketEvent, other: SocketEvent) -> SocketEvent {
    let ended = |event: &SocketEvent| matches!(event, SocketEvent::Closed { .. });
    if ended(&one) { other } else { one }
}
