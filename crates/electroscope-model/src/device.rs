//! Where to compute, chosen once.

use candle_core::Device;

use crate::Error;

/// The device that `wanted` (`auto`, `cpu`, `cuda`, `cuda:N`) names. `auto` is the first GPU of a
/// build with CUDA, and the CPU where there is none; the second value then says why.
///
/// # Errors
///
/// [`Error::Device`] for a word that is no device, or a device that is not there.
pub fn choose(wanted: &str) -> Result<(Device, Option<String>), Error> {
    let refuse = |why: String| Error::Device {
        wanted: wanted.to_owned(),
        why,
    };
    match wanted {
        "cpu" => Ok((Device::Cpu, None)),
        "auto" if cfg!(feature = "cuda") => match Device::new_cuda(0) {
            Ok(device) => Ok((device, None)),
            Err(err) => Ok((
                Device::Cpu,
                Some(format!(
                    "computing on the CPU, for CUDA cannot be used: {err}"
                )),
            )),
        },
        "auto" => Ok((Device::Cpu, None)),
        _ => {
            let ordinal = match wanted.strip_prefix("cuda") {
                Some("") => 0,
                Some(rest) => rest
                    .strip_prefix(':')
                    .and_then(|number| number.parse().ok())
                    .ok_or_else(|| {
                        refuse("write cuda:0 for the first GPU, cuda:1 for the second".into())
                    })?,
                None => return Err(refuse("it must be auto, cpu, cuda or cuda:N".into())),
            };
            if !cfg!(feature = "cuda") {
                return Err(refuse(
                    "this build computes on the CPU; build with `cargo build --release --features cuda` for NVIDIA GPUs".into(),
                ));
            }
            Device::new_cuda(ordinal)
                .map(|device| (device, None))
                .map_err(|err| refuse(err.to_string()))
        }
    }
}

/// The name of a device as it is asked for.
pub fn name(device: &Device) -> String {
    match device.location() {
        candle_core::DeviceLocation::Cpu => "cpu".to_owned(),
        candle_core::DeviceLocation::Cuda { gpu_id } => format!("cuda:{gpu_id}"),
        candle_core::DeviceLocation::Metal { gpu_id } => format!("metal:{gpu_id}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_chosen_by_name() {
        assert_eq!(name(&choose("cpu").unwrap().0), "cpu");
        assert!(choose("auto").is_ok());
        for wrong in ["gpu", "cuda:x", "cuda0", ""] {
            assert!(
                matches!(choose(wrong), Err(Error::Device { .. })),
                "{wrong:?}"
            );
        }
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_build_without_cuda_says_so() {
        assert!(
            choose("cuda")
                .unwrap_err()
                .to_string()
                .contains("--features cuda")
        );
    }
}
